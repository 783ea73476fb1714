"""Where a draft's rows come from: files, a sample, pasted text, the Hub, or what a recipe names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.core.assets import SAMPLES, sample_data_dir
from studio.core.errors import DataError, FieldProblem, RecipeError
from studio.core.recipe import Recipe, Source
from studio.data.load import load_files, load_hub, load_text
from studio.data.storage import open_table
from studio.data.types import Table


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


def from_files(paths: Sequence[Path | str], names: Sequence[str] | None = None) -> Loaded:
    """
    Raises:
        DataError: a file cannot be read, or holds no rows.
    """
    files = [Path(p) for p in paths]
    table = load_files(files, names)
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
    if not recipe.data.sources:
        raise RecipeError([FieldProblem("data.sources", "Name at least one file.")])
    first = recipe.data.sources[0].path
    if first.startswith("hub:"):
        return from_hub(first.removeprefix("hub:"))
    files = [folder / source.path for source in recipe.data.sources]
    if not files[0].exists() and (folder / "data" / "table.parquet").is_file():
        # A recipe inside a run folder: the rows lie beside it, whatever became of the uploaded file.
        return Loaded(open_table(folder / "data"), recipe.name, recipe.data.sources)
    return from_files(files)
