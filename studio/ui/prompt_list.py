"""A list of questions run through base and tuned, as a table that can be taken away: part of the Compare step."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.core.errors import RunError
from studio.core.recipe import Recipe
from studio.runs.folder import RunFolder
from studio.ui.asking import Asking, Askings
from studio.ui.components import html
from studio.ui.context import StudioContext
from studio.ui.shell import QUIET, Shell
from studio.ui.views import classification
from studio.ui.views.prompt_list import PROMPTS, Row, csv_rows, expected, prompt_table

if TYPE_CHECKING:
    from studio.runs.playground import Playground

MOST = 200
"""Questions of one list."""
TEST, SAMPLES, OWN = "test", "samples", "own"


class PromptList:
    """The tab "Prompt list". Made inside the layout; :meth:`wire` when the settings exist."""

    def __init__(
        self, studio: StudioContext, run_id: gr.State, shell: Shell, sampling: Callable[[tuple[Any, ...]], dict[str, Any]]
    ) -> None:  # fmt: skip
        self.studio, self.run_id, self.shell, self.sampling = studio, run_id, shell, sampling
        self.asking = Askings("list", shell.turn)
        self.source = gr.Radio(
            [(f"The first {PROMPTS} test rows", TEST), ("The run's sample questions", SAMPLES), ("My own list", OWN)],
            value=TEST, label="What is asked", elem_id="ts-list-source",
        )  # fmt: skip
        self.own = gr.Textbox(label="One question a line", lines=5, max_lines=12, visible=False, elem_id="ts-list-own")
        with gr.Row():
            self.start = gr.Button("Ask all of them", variant="primary", elem_id="ts-list-start", min_width=140)
            self.cancel = gr.Button("Cancel", visible=False, elem_id="ts-list-cancel", min_width=140)
            self.download = gr.DownloadButton(
                "Download as CSV", visible=False, elem_id="ts-list-download", min_width=140
            )
        self.table = html(prompt_table([], 0), elem_id="ts-list-table")

    @property
    def outputs(self) -> list[Any]:
        return [self.start, self.cancel, self.download, self.table]

    def wire(self, settings: list[Any]) -> None:
        guarded = self.shell.guarded
        self.source.input(lambda source: gr.update(visible=source == OWN), self.source, self.own, **QUIET)
        self.start.click(guarded(self._run), [self.run_id, self.source, self.own, *settings], self.outputs, **QUIET)
        self.cancel.click(guarded(self._cancel), [self.run_id], [self.cancel], **QUIET)

    def refresh(self, run: RunFolder, recipe: Recipe) -> list[Any]:
        self.asking.drop_unwanted()
        return self._shown([], 0)

    def _shown(
        self, rows: list[Row], total: int, *, going: bool = False, note: str = "", path: str | None = None
    ) -> list[Any]:
        return [
            gr.update(interactive=not going),
            gr.update(visible=going),
            gr.update(visible=bool(path), value=path),
            prompt_table(rows, total, note),
        ]

    def _run(
        self, run_id: str, source: str, own: str, system: str, request: gr.Request, *settings: Any
    ) -> Iterator[list[Any]]:
        from studio.tasks import base as tasks

        run = self.studio.run(run_id)
        recipe = run.recipe()
        if source == OWN:
            asked = self._own(own)
        else:
            asked = sample_questions(run, recipe) if source == SAMPLES else test_questions(run, recipe)
        chats = tasks.get(recipe.task).playground == "chat"
        sampling, playground = self.sampling(settings) if chats else None, self.studio.playground(run_id)
        with self.asking.begin(request.session_hash or "", run_id, playground) as asking:
            answers = self._answers(asking, playground, [row["prompt"] for row in asked], system, sampling)
            yield from asking.shown(self._table(asking, asked, answers), len(self.outputs))

    def _table(self, asking: Asking, asked: list[Row], answers: Iterator[Row]) -> Generator[list[Any], None, None]:
        """The table as it grows, and at the end the file to take away."""
        rows: list[Row] = []
        yield self._shown(rows, len(asked), going=True, note="Loading both models.")
        for answer in answers:
            rows.append({**asked[len(rows)], **answer})
            yield self._shown(rows, len(asked), going=True)
        if not asking.wanted:
            return
        done = (
            f"All {len(rows)} answered." if len(rows) == len(asked) else f"Stopped after {len(rows)} of {len(asked)}."
        )
        path = write_csv(rows, f"{asking.run_id}-answers") if rows else None
        yield self._shown(rows, len(asked), note=done, path=path)

    @staticmethod
    def _answers(
        asking: Asking, playground: Playground, prompts: list[str], system: str, sampling: dict[str, Any] | None
    ) -> Iterator[Row]:  # fmt: skip
        """``{"base": …, "tuned": …}`` for each prompt, in order; ends early when stopped. A run that sorts texts has no
        ``sampling``."""
        if sampling is not None:
            for answer in playground.answers(prompts, sampling, (system or "").strip() or None, token=asking.token):
                yield {"base": answer["base"], "tuned": answer["tuned"]}
            return
        for prompt in prompts:
            if asking.stopped or not asking.wanted:
                return
            yield classification.likeliest(playground.classify(prompt, token=asking.token))

    def _cancel(self, run_id: str, request: gr.Request) -> dict[str, Any]:
        self.asking.stop(request.session_hash or "")
        return gr.update(visible=False)

    @staticmethod
    def _own(own: str) -> list[Row]:
        lines = [line.strip() for line in (own or "").splitlines() if line.strip()]
        if not lines:
            raise RunError("The list is empty", "There is no question in the box.", "Write one question a line.")
        if len(lines) > MOST:
            raise RunError("The list is too long", f"It holds {len(lines)} questions.", f"Ask at most {MOST} at once.")
        return [{"prompt": line} for line in lines]


def test_questions(run: RunFolder, recipe: Recipe) -> list[Row]:
    """The first test rows as questions, with what the data answers; the validation rows where no test row was kept."""
    from studio.runs.splits import read_splits
    from studio.tasks import base as tasks

    splits = read_splits(run)
    rows = (splits.test or splits.validation or splits.train)[:PROMPTS]
    task = tasks.get(recipe.task)
    asked = []
    for row in rows:
        prompts = task.prompts([row], 1)
        if prompts:
            asked.append({"prompt": prompts[0], "expected": expected(row)})
    if not asked:
        raise RunError("There is nothing to ask", "No row was held back.", "Write your own list.")
    return asked


def sample_questions(run: RunFolder, recipe: Recipe) -> list[Row]:
    """What the run answered along the way: the prompts of its recipe, else the first of the validation rows."""
    from studio.runs.splits import read_splits
    from studio.tasks import base as tasks

    prompts = [text for text in recipe.training.sample_prompts if text.strip()]
    if not prompts:
        splits = read_splits(run)
        prompts = tasks.get(recipe.task).prompts(splits.validation or splits.train, 3)
    if not prompts:
        raise RunError("There is nothing to ask", "This run has no sample questions.", "Write your own list.")
    return [{"prompt": text} for text in prompts]


def write_csv(rows: list[Row], name: str) -> str:
    """A CSV file in a fresh folder of the system's temporary space, and its path."""
    path = Path(tempfile.mkdtemp(prefix="tailor-")) / f"{name}.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows(csv_rows(rows))
    return str(path)
