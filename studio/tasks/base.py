"""What a task is (contract 2): one small class that knows its columns, its model and its metrics.

Nothing outside ``studio/tasks`` asks for a task by name to behave differently; screens and the engine ask the task.
Tasks register through the entry-point group ``studio.tasks``; the built-in ones come in through the same door, with
:data:`BUILT_IN` as the fallback for a checkout that was never installed.

Importing a task must not import torch: whatever needs it is imported inside the method that runs in a worker.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from studio.core.errors import DataError, StudioError
from studio.core.recipe import DataOptions
from studio.data.render import Segment
from studio.data.types import CheckContext, Example, Finding, Reading, Table
from studio.training.types import TrainJob, TrainResult

Playground = Literal["chat", "classify"]
ExportKind = Literal["adapter", "merged", "bundle"]
BUILT_IN = {
    "chat": "studio.tasks.chat:ChatTask",
    "text_classification": "studio.tasks.text_classification:TextClassificationTask",
}


@runtime_checkable
class Task(Protocol):
    """The light half (no torch) is asked by the app; the heavy half runs in a worker."""

    name: str
    title: str
    description: str
    role_titles: dict[str, str]
    """Roles a column can have for this task → words for the person; the essential ones first."""
    playground: Playground
    exports: tuple[ExportKind, ...]
    auto_class: str
    """Name of the transformers auto class ("AutoModelForCausalLM")."""

    def read(self, table: Table) -> Reading:
        """How the table fits this task, with the best guess of the column roles."""
        ...

    def describe(self, table: Table, roles: dict[str, Any], examples: Sequence[Example]) -> str:
        """One sentence: what was understood ("840 conversations, 1.9 turns each, English; …")."""
        ...

    def examples(self, table: Table, roles: dict[str, Any]) -> list[Example]:
        """Rows as examples, one-sided and empty ones included (a check finds them).

        Raises:
            DataError: the roles name a column that is not there, or an essential role has none.
        """
        ...

    def check(self, examples: Sequence[Example], context: CheckContext) -> list[Finding]:
        """What is to be known about these examples, worst first."""
        ...

    def usable(self, examples: Sequence[Example]) -> list[Example]:
        """Those the task can learn from (both sides present)."""
        ...

    def stratum(self, example: Example) -> str | None:
        """What a split keeps in proportion (the label), or None."""
        ...

    def text(self, example: Example) -> str:
        """The example as one string, for previews."""
        ...

    def group_key(self, example: Example) -> str:
        """What must not cross from one split to another: the input side of the example."""
        ...

    def prepare(self, examples: Sequence[Example], data: DataOptions) -> list[Example]:
        """The last touch before the split, after fixes: what the options of the recipe add to each row."""
        ...

    def lengths(self, examples: Sequence[Example], base_path: Path) -> list[int]:
        """Tokens in each example as the base in ``base_path`` will read it, nothing cut."""
        ...

    def segments(self, example: Example, base_path: Path, max_length: int | None) -> list[Segment]:
        """The exact text the model sees, in parts: learned or not, cut or not."""
        ...

    def prompts(self, examples: Sequence[Example], count: int) -> list[str]:
        """Inputs to try a model with."""
        ...

    def metric_titles(self) -> dict[str, tuple[str, bool]]:
        """Metric name → (words for the person, whether higher is better); the headline first."""
        ...

    def train(self, job: TrainJob) -> TrainResult:
        """Tune; runs in a worker."""
        ...

    def evaluate(self, job: TrainJob, result: TrainResult) -> dict[str, Any]:
        """The report card's numbers, base and tuned on the test split; runs in a worker."""
        ...


@lru_cache(maxsize=1)
def registry() -> dict[str, Task]:
    """Every known task by name, the built-in ones first."""
    places = dict(BUILT_IN)
    for entry in entry_points(group="studio.tasks"):
        places.setdefault(entry.name, entry.value)
    return {name: _load(name, place) for name, place in places.items()}


def get(name: str) -> Task:
    """
    Raises:
        StudioError: no task of this name is installed.
    """
    tasks = registry()
    if name not in tasks:
        known = ", ".join(tasks)
        raise StudioError(
            "There is no such task", f"“{name}” is not installed; known: {known}.", "Choose one of these."
        )
    return tasks[name]


def detect(table: Table) -> list[Reading]:
    """How each task reads the table, the best first.

    Raises:
        DataError: the table has no rows or no columns.
    """
    if not len(table) or not table.columns:
        raise DataError(
            "There are no rows here", "The file was read, but holds no rows.", "Choose a file with data in it."
        )
    return sorted((task.read(table) for task in registry().values()), key=lambda r: -r.score)


def _load(name: str, place: str) -> Task:
    module, _, attribute = place.partition(":")
    task = getattr(importlib.import_module(module), attribute)()
    if not isinstance(task, Task):
        raise StudioError(
            "A task cannot be loaded",
            f"“{name}” ({place}) does not offer what a task needs.",
            "Update or remove that package.",
        )
    return task


def iterate_titles() -> Iterator[tuple[str, str]]:
    """(name, title) of every task, for choices in a form."""
    for name, task in registry().items():
        yield name, task.title
