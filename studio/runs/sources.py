"""Where a draft's rows come from: files, a sample, pasted text, the Hub, or what a recipe names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from studio.core.assets import SAMPLES, sample_data_dir
from studio.core.errors import DataError, FieldProblem, RecipeError
from studio.core.recipe import Recipe, Source
from studio.data.first_row import FirstRow
from studio.data.load import load_files, load_hub, load_text
from studio.data.storage import open_table
from studio.data.text import listed
from studio.data.types import Table
from studio.runs.copies import stem


@dataclass(frozen=True)
class Loaded:
    """Rows as they were read.

    Attributes:
        name: What a run with these rows is called after.
        sources: What the recipe says about them, so that they can be found again.
    """

    table: Table
    name: str
    sources: list[Source]


def from_files(
    paths: Sequence[Path | str], names: Sequence[str] | None = None, first_row: FirstRow | None = None
) -> Loaded:
    """
    Raises:
        DataError: a file cannot be read, or holds no rows.
    """
    files = [Path(p) for p in paths]
    table = load_files(files, names, first_row)
    # An upload lies in a temporary folder: its own name and checksum say more than that path.
    shown = list(names) if names else [str(p.resolve()) for p in files]
    sources = [Source(path=path, sha256=info.sha256) for path, info in zip(shown, table.files, strict=False)]
    return Loaded(table, Path(shown[0]).name if shown else "data", sources)


def from_sample(name: str) -> Loaded:
    """
    Raises:
        DataError: there is no such sample.
    """
    if name not in SAMPLES:
        raise DataError(
            "There is no such sample", f"“{name}” is not in the gallery.", f"Choose one of {', '.join(SAMPLES)}."
        )
    return from_files([sample_data_dir() / name])


def from_text(text: str) -> Loaded:
    """
    Raises:
        DataError: nothing in it can be read as rows.
    """
    return Loaded(load_text(text), "pasted", [])


def from_hub(dataset_id: str) -> Loaded:
    """
    Raises:
        DataError: the data set cannot be had.
    """
    return Loaded(load_hub(dataset_id), dataset_id.rpartition("/")[2], [Source(path=f"hub:{dataset_id}")])


def from_recipe(recipe: Recipe, folder: Path) -> Loaded:
    """What the recipe names; relative paths are taken from ``folder``.

    Raises:
        DataError: a source cannot be read.
        RecipeError: the recipe names no data.
    """
    named = [source.path for source in recipe.data.sources]
    on_hub = named[:1] and named[0].startswith("hub:")
    files = [] if on_hub else [folder / path for path in named]
    if (folder / "data" / "table.parquet").is_file() and not (files and all(file.exists() for file in files)):
        # A recipe inside a run folder: the rows lie beside it, whether they were pasted, uploaded or fetched.
        name = recipe.name if given_name(recipe, folder) else stem(recipe.name)
        return Loaded(open_table(folder / "data"), name, recipe.data.sources)
    if not named:
        raise RecipeError([FieldProblem("data.sources", "Name at least one file.")])
    loaded = from_hub(named[0].removeprefix("hub:")) if on_hub else from_files(files, first_row=recipe.data.first_row)
    return _told_of_changes(loaded, recipe)


def given_name(recipe: Recipe, folder: Path) -> str:
    """The name a person gave to a recipe in ``folder``; empty when it has none, or is called like the run it lies in."""
    return recipe.name if "name" in recipe.model_fields_set and recipe.name != folder.name else ""


def _told_of_changes(loaded: Loaded, recipe: Recipe) -> Loaded:
    """Add a note when the rows are not those the recipe was made with: its result may differ."""
    before, now = recipe.data.sources, loaded.sources
    known = len(before) == len(now) and all(source.sha256 for source in before)
    same_files = known and [source.sha256 for source in before] == [source.sha256 for source in now]
    same_rows = loaded.table.fingerprint() == recipe.data.fingerprint
    if same_files or same_rows or not (known or recipe.data.fingerprint):
        return loaded
    changed = [Path(old.path).name for old, new in zip(before, now, strict=False) if old.sha256 != new.sha256]
    what = f"{listed(changed)} {'have' if len(changed) > 1 else 'has'}" if changed else "The data has"
    note = f"{what} changed since this recipe was made; the rows as they are now are used."
    return replace(loaded, table=replace(loaded.table, notes=(note, *loaded.table.notes)))
