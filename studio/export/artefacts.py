"""Make a zip of a tuned model, and prove that it answers as the app does before anybody gets it.

    collect files → (merge) → zip, streamed → unpack → load fresh → same inputs, same answers → rename into place

The zip stands under a temporary name until it has passed; what did not pass is removed. Needs torch (inside functions
of :mod:`studio.export.weights` and :mod:`studio.export.parity`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from studio.core.errors import ExportError, ModelError
from studio.export import archive, parity, scripts, weights
from studio.export.archive import Entry
from studio.export.bundle import run_papers
from studio.export.card import file_name, model_card
from studio.export.sizes import packs_base, zip_size
from studio.export.source import Source
from studio.tasks.base import ExportKind

Progress = Callable[[float, str], None]
_SPARE = 2**25


@dataclass(frozen=True)
class ExportResult:
    """A finished zip. ``checked`` is True: what does not pass is never offered; ``parity`` holds what was compared."""

    path: Path
    size: int
    sha256: str
    checked: bool
    parity: dict[str, Any]


@dataclass
class _Package:
    """What goes into the zip: files, a line on each for the card, and the folders that hold a model (for the check)."""

    entries: list[Entry] = field(default_factory=list)
    contents: list[tuple[str, str]] = field(default_factory=list)
    models: list[tuple[str, bool]] = field(default_factory=list)
    """(folder inside the zip, whether adapter and base were merged into it)."""

    def add(self, name: str, file: Path, folder: str = "") -> None:
        self.entries.append((f"{folder}/{name}" if folder else name, file))


def export(run_dir: Path, kind: ExportKind, progress: Progress = lambda *_: None) -> ExportResult:
    """Write ``exports/<run>-<kind>.zip``.

    Args:
        progress: Called with 0 to 1 and a sentence.

    Raises:
        ExportError: there is no model, no room, the run's method has no such export, files are damaged, or the unpacked
            export does not answer as the app does. Nothing new is then left in ``exports/``.
    """
    progress(0.0, "Reading the run.")
    source = Source.open(Path(run_dir))
    _check_kind(source, kind)
    exports = source.run_dir / "exports"
    try:
        exports.mkdir(exist_ok=True)
        # At the fullest moment the zip and its unpacked copy; the merged model is gone by then.
        archive.need_disk(exports, 2 * zip_size(source, kind) + _SPARE)
        with _workroom(exports, kind) as work:
            return _export(source, kind, work, exports, progress)
    except OSError as error:
        raise archive.written_badly(error) from error
    except ModelError as error:
        raise ExportError(error.title, error.what_happened, error.what_to_do, code=error.code) from error


def _export(source: Source, kind: ExportKind, work: Path, exports: Path, progress: Progress) -> ExportResult:
    progress(0.05, "Asking the tuned model in the app.")
    dtype = source.dtype
    reference = parity.in_app_answers(source, dtype)
    progress(0.2, "Collecting the files." if kind == "adapter" else "Putting the model together.")
    package = _collect(source, kind, work)
    name = file_name(source, kind)
    unchecked = work / "unchecked.zip"
    archive.write_zip(
        unchecked,
        [(f"{name}/{inside}", file) for inside, file in package.entries],
        lambda done: progress(0.45 + 0.25 * done, "Packing."),
    )
    shutil.rmtree(work / "merged", ignore_errors=True)
    progress(0.7, "Unpacking it again.")
    archive.extract(unchecked, work / "fresh")
    compared: dict[str, Any] = {}
    for i, (folder, merged) in enumerate(package.models):
        progress(0.75 + 0.2 * i / len(package.models), "Asking the unpacked model the same.")
        answers = parity.exported_answers(source, work / "fresh" / name / folder, dtype, reference)
        result = parity.compare(reference, answers, dtype=dtype, merged=merged)
        compared[folder or kind] = result
    progress(0.97, "Taking its fingerprint.")
    digest = archive.sha256(unchecked)
    final = exports / f"{name}.zip"
    unchecked.replace(final)
    progress(1.0, "Ready, and checked against the app.")
    report = next(iter(compared.values())) if len(compared) == 1 else {"equal": True, **compared}
    return ExportResult(final, final.stat().st_size, digest, True, report)


# -- what goes in ------------------------------------------------------------------------------------------------------


def _collect(source: Source, kind: ExportKind, work: Path) -> _Package:
    package = _Package()
    if source.has_adapter and kind in ("adapter", "bundle"):
        _add_adapter(source, kind, package, work, "" if kind == "adapter" else "adapter")
    if kind in ("merged", "bundle"):
        _add_full(source, package, work, "" if kind == "merged" else "model")
    if kind == "bundle":
        entries, contents = run_papers(source, work)
        package.entries += entries
        package.contents += contents
    _add_texts(source, kind, package, work)
    return package


def _add_adapter(source: Source, kind: ExportKind, package: _Package, work: Path, folder: str) -> None:
    staged = work / "adapter"
    staged.mkdir()
    package.add("adapter_config.json", weights.adapter_config(source, staged), folder)
    package.add("adapter_model.safetensors", source.model_dir / "adapter_model.safetensors", folder)
    for path in weights.tokenizer_files(source, staged):
        package.add(path.name, path, folder)
    if packs_base(source, kind):
        inside = f"{folder}/{scripts.LOCAL_BASE}" if folder else scripts.LOCAL_BASE
        for path in weights.model_files(source.base_path):
            package.add(path.name, path, inside)
        package.contents.append((f"{inside}/", "the base it stands on, which is not on the Hub"))
    package.contents.append((f"{folder}/" if folder else "adapter_model.safetensors", "the adapter (PEFT)"))
    package.models.append((folder, False))
    if folder:
        script = staged / "try_it.py"
        script.write_text(_script(source, adapter=True), encoding="utf-8")
        package.add("try_it.py", script, folder)


def _add_full(source: Source, package: _Package, work: Path, folder: str) -> None:
    staged = work / "merged"
    if source.has_adapter:
        weights.merge(source, staged)
        files = weights.model_files(staged)
    else:
        staged.mkdir()
        weights.copy_texts(source, source.model_dir, staged)
        files = [staged / p.name if p.suffix == ".json" else p for p in weights.model_files(source.model_dir)]
    names = {path.name for path in files}
    for path in [*files, *(p for p in weights.tokenizer_files(source, work) if p.name not in names)]:
        package.add(path.name, path, folder)
    what = "the whole model, base and adapter in one" if source.has_adapter else "the whole model"
    package.contents.append((f"{folder}/" if folder else "model.safetensors", what))
    package.models.append((folder, source.has_adapter))


def _add_texts(source: Source, kind: ExportKind, package: _Package, work: Path) -> None:
    """Card, recipe, script and versions; the card last, because it lists the others."""
    texts = {
        "recipe.yaml": (source.portable_recipe().to_yaml(), "every setting; the studio repeats the run from it"),
        "try_it.py": (_script(source, adapter=kind == "adapter", folder="model" if kind == "bundle" else ""), "ask the model from a terminal"),
        "environment.txt": (scripts.environment_txt(), "versions it was made and checked with"),
    }  # fmt: skip
    for name, path in weights.licence_files(source):
        package.add(name, path)
        package.contents.append((name, "comes with the base and stays with it"))
    package.contents += [(name, words) for name, (_, words) in texts.items()]
    texts["README.md"] = (model_card(source, kind, package.contents), "")
    for name, (text, _) in texts.items():
        path = work / name
        path.write_text(text, encoding="utf-8")
        package.add(name, path)


def _script(source: Source, *, adapter: bool, folder: str = "") -> str:
    return scripts.try_it(
        adapter=adapter,
        labels=source.labels if source.classifies else None,
        base=source.hub_id,
        dtype=source.dtype,
        system=(source.recipe.data.system_prompt or "").strip() or None,
        folder=folder,
    )


# -- room and order ----------------------------------------------------------------------------------------------------


def _check_kind(source: Source, kind: ExportKind) -> None:
    if kind not in source.task.exports:
        raise ExportError(
            "There is no such export",
            f"“{kind}” is not made for this task.",
            f"Choose {', '.join(source.task.exports)}.",
        )
    if kind == "adapter" and not source.has_adapter:
        raise ExportError(
            "This run has no adapter", "It changed the weights of the model itself.", "Export the merged model instead."
        )


@contextmanager
def _workroom(exports: Path, kind: str) -> Iterator[Path]:
    """A folder for this export alone, gone afterwards; those of exports that were cut off are swept up."""
    for old in exports.glob(".work-*"):
        number = old.name.rpartition("-")[2]
        if number.isdigit() and not psutil.pid_exists(int(number)):
            shutil.rmtree(old, ignore_errors=True)
    work = exports / f".work-{kind}-{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)
