"""A draft: a run that has not been started. The one door through which the screens and the CLI walk steps 1 to 3.

A draft is a run folder in the state ``draft``: the table as it was read lies in ``data/``, every choice in
``recipe.yaml``. Nothing is kept in memory that the folder does not hold, so a reload or a restart lands where the
person was. What is dear to compute (reading, checking, counting tokens) is remembered for the last few questions asked.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from studio.core import hardware
from studio.core.errors import DataError, FieldProblem, RecipeError, RunError, StudioError
from studio.core.options import problems_of
from studio.core.recipe import AppliedFix, DataOptions, Recipe
from studio.core.workspace import Workspace
from studio.data.checks import worst_first
from studio.data.checks.rows import few_to_learn
from studio.data.clean import preview
from studio.data.first_row import FirstRow, known, taken_as
from studio.data.profile import spread
from studio.data.render import Segment
from studio.data.roles import own_split, split_parts
from studio.data.stats import language
from studio.data.storage import save_table
from studio.data.types import Change, CheckContext, Example, Finding, Splits, Table
from studio.models import estimate as estimating
from studio.models import suggest
from studio.models.catalogue import find
from studio.models.cautions import cautions
from studio.models.fetch import is_local, local_folder
from studio.models.types import BaseCard, Estimate
from studio.runs import calibration, choices, copies, remembered, sources
from studio.runs.folder import RunFolder
from studio.runs.sources import Loaded
from studio.runs.state import RunState
from studio.tasks import base as tasks
from studio.tasks.base import Task
from studio.training.types import Calibration


class Draft:
    """Steps 1 to 3 of one run. Methods that change something write it to the folder before they return."""

    def __init__(self, run: RunFolder, workspace: Workspace) -> None:
        self.run = run
        self.workspace = workspace

    # -- beginnings ---------------------------------------------------------------------------------------------------

    @classmethod
    def from_files(cls, workspace: Workspace, paths: Sequence[Path | str], names: Sequence[str] | None = None) -> Draft:
        """
        Raises:
            DataError: a file cannot be read, or holds no rows.
        """
        return cls._begin(workspace, sources.from_files(paths, names))

    @classmethod
    def from_sample(cls, workspace: Workspace, name: str) -> Draft:
        """
        Raises:
            DataError: there is no such sample.
        """
        return cls._begin(workspace, sources.from_sample(name))

    @classmethod
    def from_text(cls, workspace: Workspace, text: str) -> Draft:
        return cls._begin(workspace, sources.from_text(text))

    @classmethod
    def from_hub(cls, workspace: Workspace, dataset_id: str) -> Draft:
        return cls._begin(workspace, sources.from_hub(dataset_id))

    @classmethod
    def open(cls, workspace: Workspace, run_id: str) -> Draft:
        """
        Raises:
            RunError: there is no such run.
        """
        return cls(RunFolder.open(workspace, run_id), workspace)

    @classmethod
    def copy_of(cls, workspace: Workspace, run_id: str) -> Draft:
        """A fresh draft with the same data and choices.

        Raises:
            RunError: there is no such run, or its data is no longer in its folder.
        """
        origin = cls.open(workspace, run_id)
        if not (origin.run.data_dir / "table.parquet").is_file():
            raise RunError(
                "This run cannot be copied",
                "Its data is no longer in its folder.",
                "Start a new run and load the data again.",
            )
        run = copies.fresh_copy(origin.run, workspace)
        copies.renamed(origin.recipe(), origin.run, run).save(run.recipe_path)
        return cls(run, workspace)

    @classmethod
    def from_recipe(cls, workspace: Workspace, recipe: Recipe, folder: Path) -> Draft:
        """A draft from a recipe file; relative data paths are taken from ``folder``.

        Raises:
            DataError: a source cannot be read.
            RecipeError: the recipe names no data, or a column of the split that does not name it.
        """
        draft = cls._begin(workspace, sources.from_recipe(recipe, folder))
        chosen = recipe.model_copy(deep=True)
        detected = draft.recipe()
        chosen.data.sources, chosen.data.fingerprint = detected.data.sources, detected.data.fingerprint
        if not sources.given_name(recipe, folder):
            chosen.name = detected.name
        try:
            problems = draft._split_problems(chosen.data.split.column)
            if problems:
                raise RecipeError(problems)
            if not chosen.data.roles:
                chosen.data.roles = tasks.get(chosen.task).read(draft.table()).roles
            choices.save(draft.run, chosen)
        except BaseException:
            draft.run.delete()
            raise
        return draft

    @classmethod
    def _begin(cls, workspace: Workspace, loaded: Loaded) -> Draft:
        table = loaded.table
        reading = tasks.detect(table)[0]
        run = RunFolder.create(workspace, Path(loaded.name).stem or "data")
        try:
            save_table(table, run.data_dir)
            data = DataOptions(sources=loaded.sources, roles=reading.roles, fingerprint=table.fingerprint())
            choices.save(run, Recipe(name=run.id, task=reading.task, data=data))
        except BaseException:
            shutil.rmtree(run.path, ignore_errors=True)
            raise
        return cls(run, workspace)

    # -- the recipe ---------------------------------------------------------------------------------------------------

    def recipe(self) -> Recipe:
        """The choices made so far; values nobody chose are ``None``."""
        return choices.chosen(self.run)

    @property
    def task(self) -> Task:
        return tasks.get(self.recipe().task)

    @property
    def is_open(self) -> bool:
        """Whether it may still be changed: nothing has been started from it."""
        return choices.is_open(self.run)

    def update(self, section: str, values: dict[str, Any]) -> list[FieldProblem]:
        """Set several fields of ``method``, ``training`` or ``data.split``; all problems are told, none half applied."""
        unfit = self._split_problems(values.get("column")) if section == "data.split" else []
        first_row = values.get("first_row") if section == "data" else None
        if first_row in ("names", "data"):
            try:
                self.set_first_row(first_row)
            except DataError as error:
                return [FieldProblem("data.first_row", f"{error.what_happened} {error.what_to_do}")]
        with choices.changed(self.run) as recipe:
            return unfit + choices.set_fields(recipe.model_copy(deep=True) if unfit else recipe, section, values)

    def _split_problems(self, column: Any) -> list[FieldProblem]:
        """Why the rows cannot be divided by this column."""
        if not isinstance(column, str) or not column:
            return []
        try:
            split_parts(self.table(), column)
        except DataError as error:
            return [FieldProblem("data.split.column", f"{error.what_happened} {error.what_to_do}")]
        return []

    def rename(self, name: str) -> None:
        with choices.changed(self.run) as recipe:
            try:
                recipe.name = name.strip()
            except ValidationError as error:
                raise RecipeError(problems_of(error, Recipe)) from None

    # -- step 1: data -------------------------------------------------------------------------------------------------

    def table(self) -> Table:
        return remembered.table(self.run.data_dir)

    def sentence(self) -> str:
        """What was understood, or what is missing."""
        recipe = self.recipe()
        try:
            return self.task.describe(self.table(), recipe.data.roles, self._read_examples(recipe))
        except DataError as error:
            return f"{error.what_happened} {error.what_to_do}"

    def set_task(self, name: str) -> None:
        """Change the task; the columns are guessed anew for it."""
        reading = tasks.get(name).read(self.table())
        with choices.changed(self.run) as recipe:
            if recipe.task != name:
                recipe.task_options = {}  # another task has other settings
            recipe.task, recipe.data.roles, recipe.data.fixes = name, reading.roles, []

    def first_row(self) -> FirstRow | None:
        """What the first row was taken for; None where that is no question."""
        return known(self.table())

    def set_first_row(self, first_row: FirstRow) -> None:
        """Take the first row for names or for data; the columns are guessed anew.

        Raises:
            DataError: there is no such choice for this table, or no row would be left.
        """
        before = self.table()
        table = taken_as(before, first_row)
        with choices.changed(self.run) as recipe:
            recipe.data.first_row = first_row
            if table is before:
                return
            recipe.data.roles, recipe.data.fixes = tasks.get(recipe.task).read(table).roles, []
            recipe.data.fingerprint = table.fingerprint()
            if recipe.data.split.column not in table.columns:
                recipe.data.split.column = None
            choices.save(self.run, recipe)  # refused where it is too late, before the rows change
            save_table(table, self.run.data_dir)

    def set_roles(self, roles: dict[str, Any]) -> None:
        """
        Raises:
            DataError: a role names a column that is not there, or an essential one is missing.
        """
        wanted = {role: column for role, column in roles.items() if column}
        self.task.examples(self.table(), wanted)
        with choices.changed(self.run) as recipe:
            recipe.data.roles = wanted

    def set_system_prompt(self, text: str | None) -> None:
        with choices.changed(self.run) as recipe:
            recipe.data.system_prompt = (text or "").strip() or None

    # -- step 2: prepare ----------------------------------------------------------------------------------------------

    def _read_examples(self, recipe: Recipe) -> list[Example]:
        return remembered.examples(self.run.data_dir, recipe, fixed=False)

    def examples(self) -> list[Example]:
        """Rows as the task understands them, after the accepted fixes."""
        return remembered.examples(self.run.data_dir, self.recipe())

    def findings(self) -> list[Finding]:
        """What is to be known about the rows as they are now, worst first.

        Lengths count only where the base's tokenizer is on this machine.
        """
        found = self.task.check(self.examples(), CheckContext(self.token_lengths(), self.max_length(), self._context()))
        return worst_first([*found, *self.split_findings()])

    def split_findings(self) -> list[Finding]:
        """What the split itself brings up."""
        try:
            few = few_to_learn(self.splits())
        except DataError:
            return []
        return [few] if few else []

    def preview(self, fix_id: str) -> list[Change]:
        return preview(self.examples(), fix_id)

    def apply(self, check: str, fix_id: str) -> None:
        """Accept a fix; twice in a row is once (a double press, or two browsers).

        Raises:
            DataError: there is no such fix.
        """
        preview(self.examples()[:1], fix_id)
        with choices.changed(self.run) as recipe:
            fix = AppliedFix(check=check, fix=fix_id)
            if recipe.data.fixes[-1:] != [fix]:
                recipe.data.fixes = [*recipe.data.fixes, fix]

    def undo(self, index: int, fix_id: str) -> bool:
        """Take the fix at ``index`` out of the list; the others stay.

        Returns:
            False when another fix or none is there by now (a double press, or two browsers): the list stays as it is.
        """
        with choices.changed(self.run) as recipe:
            fixes = recipe.data.fixes
            if not 0 <= index < len(fixes) or fixes[index].fix != fix_id:
                return False
            recipe.data.fixes = [*fixes[:index], *fixes[index + 1 :]]
            return True

    def counts(self) -> tuple[int, int]:
        """(rows read, rows the task can learn from after the fixes)."""
        return len(self._read_examples(self.recipe())), len(self.task.usable(self.examples()))

    def set_split(self, **fields: Any) -> list[FieldProblem]:
        return self.update("data.split", fields)

    def split_column(self) -> str | None:
        """The column by which the rows are divided: the chosen one, or the one the data has; None when there is none."""
        return own_split(self.table(), self.recipe().data.split.column)

    def splits(self) -> Splits:
        """
        Raises:
            DataError: no usable row is left.
        """
        return remembered.splits(self.run.data_dir, self.recipe())

    def token_lengths(self) -> list[int] | None:
        """One length in tokens per row of :meth:`examples`, with all that the model will read in it, or None when the base
        is not on this machine yet."""
        folder = self.renderer_folder()
        if folder is None:
            return None
        recipe = self.recipe()
        return list(remembered.lengths(recipe.task, folder, remembered.prepared(self.run.data_dir, recipe)))

    def max_length(self) -> int | None:
        """Tokens at which the run will cut a row; None while that cannot be said (no base, or no row to learn from)."""
        settled = self.run.recipe().training.max_length
        if settled:
            return settled
        try:
            return self._suggested().training.max_length
        except StudioError:
            return None

    def _context(self) -> int | None:
        """The most tokens that the chosen base reads; None while there is none."""
        try:
            return self.base().context
        except StudioError:
            return None

    def segments(self, index: int) -> list[Segment]:
        """The exact text of row ``index`` of the training rows, learned and cut parts marked.

        The embedded base stands in until the chosen one is on this machine.
        """
        rows = self.splits().train
        if not rows:
            return []
        return self.task.segments(
            rows[index % len(rows)],
            self.renderer_folder() or _stand_in(self.workspace),
            self.max_length(),
        )

    def renderer_folder(self) -> Path | None:
        """Where the chosen base's tokenizer lies, if it is on this machine."""
        try:
            card = self.base()
        except StudioError:
            return None
        return local_folder(card, self.workspace) if is_local(card, self.workspace) else None

    # -- step 3: model ------------------------------------------------------------------------------------------------

    def base(self) -> BaseCard:
        """
        Raises:
            ModelError: the base cannot be found or used.
        """
        recipe = self.recipe()
        card, task = find(recipe.base.id, self.workspace), tasks.get(recipe.task)
        return replace(card, tasks=(*card.tasks, task.name)) if task.bases in card.tasks else card

    def set_base(self, base_id: str) -> None:
        """
        Raises:
            ModelError: the base cannot be found or used.
        """
        find(base_id, self.workspace)
        with choices.changed(self.run) as recipe:
            recipe.base.id, recipe.base.path = base_id, None

    def facts(self) -> suggest.DataFacts:
        """What suggestions and estimates need to know of the training rows."""
        splits = self.splits()
        folder = self.renderer_folder() or _stand_in(self.workspace)
        lengths = remembered.training_lengths(self.run.data_dir, self.recipe(), folder)
        task = self.task  # reads the recipe: once, not once a row
        labels = {task.stratum(example) for example in splits.train} - {None}
        return suggest.DataFacts(rows=len(splits.train), lengths=lengths, labels=len(labels))

    def resolved(self) -> Recipe:
        """The recipe with every value in place and the reason for each."""
        recipe = self._suggested()
        task = tasks.get(recipe.task)
        recipe.task_options = task.settings(recipe).model_dump(mode="json")
        if not recipe.training.sample_prompts:
            splits = self.splits()
            recipe.training.sample_prompts = task.prompts(splits.validation or splits.train, 3)
        return recipe

    def _suggested(self) -> Recipe:
        return suggest.resolve(self.recipe(), self.base(), self.facts(), hardware.detect())

    def presets(self) -> dict[str, Recipe]:
        """Preset name → what the recipe would be with it."""
        return suggest.presets(self.recipe(), self.base(), self.facts(), hardware.detect())

    def problems(self) -> list[FieldProblem]:
        """Everything that stands in the way of starting, each at its field."""
        try:
            recipe, card, facts = self.resolved(), self.base(), self.facts()
        except RecipeError as error:
            return list(error.problems)
        except StudioError as error:
            return [FieldProblem("data" if isinstance(error, DataError) else "base", str(error))]
        return suggest.check(recipe, card, facts, hardware.detect())

    def language(self) -> str:
        """The language of what goes into the model, from a sample, in English words; "" when it cannot be told."""
        task = self.task
        return language(task.group_key(example) for example in spread(self.examples()))

    def cautions(self, recipe: Recipe) -> list[FieldProblem]:
        """What a person should know before a resolved recipe is started, though it stops nobody."""
        return cautions(recipe, self.base(), self.facts(), self.language())

    def estimate(self, recipe: Recipe | None = None) -> Estimate:
        """What the run (or ``recipe``, say a preset's) will need, with the measured speed where there is one."""
        recipe = recipe or self.resolved()
        splits = self.splits()
        return estimating.estimate(
            recipe, self.base(), self.facts(), hardware.detect(), self.calibration(recipe), len(splits.validation),
            len(splits.test), hardware.free_disk_gib(self.workspace.runs_dir),
        )  # fmt: skip

    def calibration(self, recipe: Recipe | None = None) -> Calibration | None:
        """The measurement for this base, method, batch and data on this machine, if it has been made."""
        return calibration.kept(self.workspace, recipe or self.resolved())

    def calibrate(self, cancelled: Callable[[], bool] = lambda: False) -> Calibration | None:
        """Measure a few steps in a process of its own; blocks (seconds for small bases). None when the base must be
        downloaded first.

        Raises:
            RunError: the measurement failed, out of memory included.
        """
        recipe = self.resolved()
        folder = self.renderer_folder()
        if folder is None:
            return None
        known = self.calibration(recipe)
        if known:
            return known
        measured = calibration.measure(recipe, folder, self.splits(), cancelled)
        calibration.keep(self.workspace, recipe, measured)
        return measured

    def freeze(self) -> Recipe:
        """Write the resolved recipe and the three splits; after this the run can be enqueued.

        Raises:
            RecipeError: with every problem that stands in the way.
        """
        chosen = self.recipe()
        problems = self.problems()
        if problems:
            raise RecipeError(problems)
        recipe = self.resolved()
        folder = self.renderer_folder()
        recipe.base.path = str(folder) if folder else None
        choices.prepare_start(self.run, chosen, recipe, self.splits())
        return recipe

    def visit(self, step: int) -> None:
        """Remember where in the journey the person was (0 to 5), for a reload. Only drafts need it."""
        with self.run.held():
            if not self.is_open:
                return
            self.run.write_state(RunState(created=self.run.state().created or time.time(), step_of_journey=step))


def _stand_in(workspace: Workspace) -> Path:
    """The embedded base's folder: renders rows as long as the chosen base is not here."""
    from studio.models.catalogue import embedded

    return local_folder(embedded(), workspace)
