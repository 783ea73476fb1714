"""What a task is (contract 2): one small class that knows its columns, its model and its metrics.

Nothing outside ``studio/tasks`` asks for a task by name to behave differently; screens and the engine ask the task.
Tasks register through the entry-point group ``studio.tasks``; the built-in ones come in through the same door, with
:data:`BUILT_IN` as the fallback for a checkout that was never installed. One that cannot be loaded is left out and told;
the others stay.

Importing a task must not import torch: whatever needs it is imported inside the method that runs in a worker.
"""

from __future__ import annotations

import importlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from studio.core.errors import DataError, FieldProblem, RecipeError, StudioError
from studio.core.options import Options, problems_of
from studio.core.recipe import DataOptions, Recipe
from studio.data.render import Segment, TextRenderer
from studio.data.types import CheckContext, Example, Finding, Reading, Splits, Table
from studio.training.types import TrainJob, TrainResult

if TYPE_CHECKING:
    from studio.training.engine import Work

Playground = Literal["chat", "classify"]
ExportKind = Literal["adapter", "merged", "bundle"]
GROUP = "studio.tasks"
BUILT_IN = {
    "chat": "studio.tasks.chat:ChatTask",
    "text_classification": "studio.tasks.text_classification:TextClassificationTask",
}
log = logging.getLogger("studio.tasks")


class Task(ABC):
    """What a task must say is abstract; the rest has a default that suits a task about plain texts.

    The light half (no torch) is asked by the app; the heavy half (:meth:`make_work`, :meth:`train`, :meth:`evaluate`)
    runs in a process of its own.
    """

    name: str
    """The same as in the entry point."""
    title: str
    description: str = ""
    role_titles: dict[str, str]
    """Roles a column can have for this task → words for the person; the essential ones first."""
    playground: Playground = "chat"
    exports: tuple[ExportKind, ...] = ("adapter", "merged", "bundle")
    auto_class: str = "AutoModelForCausalLM"
    """Name of the transformers auto class."""
    bases: str = "chat"
    """The built-in task whose bases suit this one."""
    options: type[Options] = Options
    """Settings of its own, in the recipe under ``task_options``; what is not declared there is refused."""

    # -- what a task must say -----------------------------------------------------------------------------------------

    @abstractmethod
    def read(self, table: Table) -> Reading:
        """How the table fits this task, with the best guess of the column roles."""

    @abstractmethod
    def examples(self, table: Table, roles: dict[str, Any]) -> list[Example]:
        """Rows as examples, one-sided and empty ones included (a check finds them).

        Raises:
            DataError: the roles name a column that is not there, or an essential role has none.
        """

    @abstractmethod
    def make_work(self, recipe: Recipe, base_path: Path, splits: Splits) -> Work:
        """Everything up to the first step: rows as the model reads them, the model with its method, its loss. What is
        trained and what is measured beforehand is this very work.

        Raises:
            DataError: no row has anything to learn.
        """

    @abstractmethod
    def evaluate(self, job: TrainJob, result: TrainResult) -> dict[str, Any]:
        """The report card's numbers, base and tuned on the test split; runs in a worker."""

    # -- what has a default -------------------------------------------------------------------------------------------

    def describe(self, table: Table, roles: dict[str, Any], examples: Sequence[Example]) -> str:
        """One sentence: what was understood ("840 conversations, 1.9 turns each, English; …")."""
        return f"{len(examples):,} rows; task: {self.title}."

    def check(self, examples: Sequence[Example], context: CheckContext) -> list[Finding]:
        """What is to be known about these examples, worst first."""
        return []

    def usable(self, examples: Sequence[Example]) -> list[Example]:
        """Those the task can learn from."""
        return [example for example in examples if self.text(example).strip()]

    def stratum(self, example: Example) -> str | None:
        """What a split keeps in proportion (the label), or None."""
        return None

    def text(self, example: Example) -> str:
        """The example as one string, for previews."""
        return example.get("text", "")

    def group_key(self, example: Example) -> str:
        """What must not cross from one split to another: the input side of the example."""
        return self.text(example)

    def prepare(self, examples: Sequence[Example], data: DataOptions) -> list[Example]:
        """The last touch before the split, after fixes: what the options of the recipe add to each row."""
        return list(examples)

    def lengths(self, examples: Sequence[Example], base_path: Path) -> list[int]:
        """Tokens in each example as the base in ``base_path`` will read it, nothing cut."""
        return TextRenderer.from_folder(base_path).lengths([self.text(example) for example in examples])

    def segments(self, example: Example, base_path: Path, max_length: int | None) -> list[Segment]:
        """The exact text the model sees, in parts: learned or not, cut or not."""
        return TextRenderer.from_folder(base_path).segments(self.text(example), max_length)

    def prompts(self, examples: Sequence[Example], count: int) -> list[str]:
        """Inputs to try a model with, each once."""
        inputs = (self.group_key(example) for example in examples)
        return list(dict.fromkeys(text for text in inputs if text.strip()))[:count]

    def settings(self, recipe: Recipe) -> Options:
        """The task's own settings as the recipe has them, defaults filled in.

        Raises:
            RecipeError: with every problem, each at its field.
        """
        try:
            return self.options.model_validate(recipe.task_options)
        except ValidationError as error:
            problems = problems_of(error, self.options)
            raise RecipeError([FieldProblem(f"task_options.{p.field}", p.message) for p in problems]) from None

    def train(self, job: TrainJob) -> TrainResult:
        """Tune; runs in a worker.

        Raises:
            DataError: no row has anything to learn.
            RunError: out of memory (``code="out_of_memory"``), or the run broke down (``code="diverged"``).
        """
        from studio.training.engine import train

        return train(self.make_work, job)


def registry() -> dict[str, Task]:
    """Every known task by name, the built-in ones first."""
    return _installed()[0]


def left_out() -> dict[str, StudioError]:
    """Tasks that are installed but cannot be used, by name, with the reason."""
    return _installed()[1]


def get(name: str) -> Task:
    """
    Raises:
        StudioError: no task of this name is installed, or it cannot be loaded.
    """
    tasks = registry()
    if name in tasks:
        return tasks[name]
    if name in left_out():
        raise left_out()[name]
    known = ", ".join(tasks)
    raise StudioError("There is no such task", f"“{name}” is not installed; known: {known}.", "Choose one of these.")


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


@lru_cache(maxsize=1)
def _installed() -> tuple[dict[str, Task], dict[str, StudioError]]:
    """Tasks, and those left out; each of the latter is told once, in the terminal or the log of the process."""
    found = {name: EntryPoint(name, place, GROUP) for name, place in BUILT_IN.items()}
    for entry in entry_points(group=GROUP):
        found.setdefault(entry.name, entry)
    loaded: dict[str, Task] = {}
    failed: dict[str, StudioError] = {}
    for name, entry in found.items():
        try:
            loaded[name] = _load(entry)
        except Exception as error:
            if name in BUILT_IN:
                raise
            log.debug("The task %s cannot be loaded", name, exc_info=True)
            failed[name] = _left_out(entry, error)
            log.warning("%s", failed[name])
    return loaded, failed


def _load(entry: EntryPoint) -> Task:
    module, _, attribute = entry.value.partition(":")
    task = getattr(importlib.import_module(module), attribute)()
    if not isinstance(task, Task):
        raise TypeError(f"{entry.value} is no studio.tasks.base.Task")
    missing = [field for field in ("title", "role_titles") if not hasattr(task, field)]
    if missing:
        raise TypeError(f"{entry.value} says nothing of its {' and '.join(missing)}")
    if getattr(task, "name", "") != entry.name:
        raise TypeError(f"{entry.value} goes by another name than “{entry.name}”")
    return task


def _left_out(entry: EntryPoint, error: Exception) -> StudioError:
    package = entry.dist.name if entry.dist else entry.value.partition(".")[0]
    if isinstance(error, ModuleNotFoundError):
        why = f"it needs “{error.name}”, which is not installed"
    else:
        why = f"{type(error).__name__}: {error}"
    return StudioError(
        "A task was left out",
        f"“{entry.name}” of the package “{package}” cannot be used: {why}.",
        "Update or remove that package; everything else works as it did.",
        code="task_left_out",
    )
