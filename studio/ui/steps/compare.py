"""Step 5, Compare: base and tuned side by side, from one question; blind votes; the report card; a list of prompts.

The models live in a process of their own (``studio.runs.playground``), and what stands under each answer is what that
process says of the weights that spoke, never what this screen believes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.core.errors import RunError, StudioError
from studio.core.recipe import Recipe
from studio.inference.types import SIDES
from studio.runs.folder import RunFolder
from studio.ui import kept_turns, prompt_list
from studio.ui.asking import Asking, Askings
from studio.ui.components import html
from studio.ui.context import StudioContext
from studio.ui.forms import SettingsForm
from studio.ui.sampling import AnswerOptions, checked_sampling
from studio.ui.shell import EXPORT, QUIET, Shell, StepView, message_of
from studio.ui.views import classification, conversation, votes
from studio.ui.views.conversation import Turn, Vote
from studio.ui.views.html import text
from studio.ui.views.report_card import report_card

if TYPE_CHECKING:
    from studio.runs.playground import Playground

LONGEST = 20_000
"""Characters of one question."""
VOTES: dict[Vote, str] = {"A": "A is better", "B": "B is better", "tie": "Equally good", "both_bad": "Both are bad"}


def build(studio: StudioContext, run_id: gr.State, shell: Shell) -> StepView:
    return CompareStep(studio, run_id, shell).view()


class CompareStep:
    """The screen. A conversation is kept in the run folder, and so are votes; a browser session shows a copy."""

    def __init__(self, studio: StudioContext, run_id: gr.State, shell: Shell) -> None:
        self.studio, self.run_id, self.shell = studio, run_id, shell
        self.turns = gr.State([])
        self.asking = Askings("ask", shell.turn)
        self.form = SettingsForm({"answers": AnswerOptions})
        self._lay_out()
        self._wire()

    # -- layout -------------------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        with gr.Row(elem_classes=["ts-compare"]):
            with gr.Column(scale=3, min_width=320), gr.Tabs(elem_id="ts-compare-tabs"):
                with gr.Tab("Ask both", id="ask"):
                    self._lay_out_chat()
                    self._lay_out_classify()
                with gr.Tab("Prompt list", id="list"):
                    self.prompts = prompt_list.PromptList(self.studio, self.run_id, self.shell, self._sampling)
            with gr.Column(scale=1, min_width=280):
                self.report = html(elem_id="ts-report")
                self.export = gr.Button("Take it with you →", variant="primary", size="md", elem_id="ts-to-export")

    def _lay_out_chat(self) -> None:
        with gr.Column(visible=True) as self.chat:
            self.blind = gr.Checkbox(label="Hide names and vote", value=False, container=False, elem_id="ts-blind")
            self.panes = gr.HTML(
                conversation.panes([], False), elem_id="ts-panes", apply_default_css=False, js_on_load=None,
                min_height=260, max_height=560, autoscroll=True,
            )  # fmt: skip
            with gr.Row(visible=False, elem_classes=["ts-votes"]) as self.voting:
                self.votes = {
                    vote: gr.Button(label, size="sm", min_width=110, elem_id=f"ts-vote-{vote.replace('_', '-')}")
                    for vote, label in VOTES.items()
                }
            self.box = gr.Textbox(
                placeholder="Ask both models the same", label="Your question", show_label=False, container=False,
                lines=1, max_lines=6, submit_btn="Ask", stop_btn=False, elem_id="ts-ask", max_length=LONGEST,
            )  # fmt: skip
            with gr.Row(elem_classes=["ts-chat-buttons"]):
                self.stop = gr.Button(
                    "Stop", size="sm", min_width=80, visible=False, variant="stop", elem_id="ts-chat-stop"
                )
                self.retry = gr.Button("Ask again", size="sm", min_width=80, elem_id="ts-chat-retry")
                self.edit = gr.Button("Change question", size="sm", min_width=80, elem_id="ts-chat-edit")
                self.clear = gr.Button("Clear", size="sm", min_width=80, elem_id="ts-chat-clear")
            with gr.Accordion("Settings of the answers", open=False, elem_id="ts-answer-settings"):
                self.system = gr.Textbox(
                    label="Instructions to both", info="What the models are told before the conversation · *system prompt*",
                    lines=2, max_lines=6, elem_id="ts-system-prompt",
                )  # fmt: skip
                self.form.advanced()

    def _lay_out_classify(self) -> None:
        with gr.Column(visible=False) as self.classify:
            self.text = gr.Textbox(
                placeholder="A text to sort", label="Your text", show_label=False, container=False, lines=2, max_lines=8,
                submit_btn="Sort it", elem_id="ts-classify", max_length=LONGEST,
            )  # fmt: skip
            self.bars = html(classification.probabilities(None), elem_id="ts-bars")
            self.matrices = html(elem_id="ts-matrices")

    @property
    def chatting(self) -> list[Any]:
        """What every chat action may change, in this order."""
        return [self.turns, self.panes, self.box, self.stop, self.voting]

    @property
    def outputs(self) -> list[Any]:
        return [
            self.chat, self.classify, *self.chatting, self.system, self.blind, self.text, self.bars, self.matrices, self.report,
            *self.prompts.outputs,
        ]  # fmt: skip

    def _wire(self) -> None:
        guarded, run, settings = self.shell.guarded, self.run_id, [self.system, *self.form.components]
        # A question that was cleared may be ending still: the next one is heard all the same.
        heard: dict[str, Any] = {**QUIET, "trigger_mode": "multiple"}
        self.box.submit(guarded(self._ask), [run, self.turns, self.blind, self.box, *settings], self.chatting, **heard)
        self.retry.click(guarded(self._again), [run, self.turns, self.blind, *settings], self.chatting, **heard)
        self.stop.click(guarded(self._stop), [run], [self.stop], **QUIET)
        self.edit.click(guarded(self._edit), [run, self.turns, self.blind], self.chatting, **QUIET)
        self.clear.click(guarded(self._clear), [run, self.blind], self.chatting, **QUIET)
        self.blind.input(guarded(self._clear), [run, self.blind], self.chatting, **QUIET)
        for vote, button in self.votes.items():
            button.click(guarded(partial(self._vote, vote)), [run, self.turns], [*self.chatting, self.report], **QUIET)
        self.text.submit(
            guarded(self._classify), [run, self.text], [self.bars], **{**QUIET, "show_progress": "minimal"}
        )
        self.prompts.wire([self.system, *self.form.components])
        self.shell.go_to(self.export.click(guarded(lambda: None), None, None, **QUIET), EXPORT)

    def view(self) -> StepView:
        return StepView(self.outputs, self._refresh)

    # -- what is shown ------------------------------------------------------------------------------------------------

    def _refresh(self, run_id: str | None) -> list[Any]:
        self.asking.drop_unwanted()
        if not run_id:
            return [gr.skip()] * len(self.outputs)
        run = self.studio.run(run_id)
        recipe, report = run.recipe(), run.report()
        chats = _playground_kind(recipe) == "chat"
        turns = kept_turns.read(run) if chats else []
        blind = bool(turns) and turns[-1].hidden
        return [
            gr.update(visible=chats),
            gr.update(visible=not chats),
            *self._conversation(turns, blind),
            recipe.data.system_prompt or "",
            blind,
            gr.skip(),
            classification.probabilities(None),
            classification.confusion(report),
            report_card(report, votes.tally(_feedback(run))),
            *self.prompts.refresh(run, recipe),
        ]

    def _conversation(
        self, turns: list[Turn], blind: bool, *, going: bool = False, box: str | None = None
    ) -> list[Any]:
        """One update per component of :attr:`chatting`. Without ``box`` the question that is being typed stays."""
        last = turns[-1] if turns else None
        may_vote = bool(last and last.hidden and last.vote is None and last.answered and not going)
        typed = gr.skip() if box is None else box
        return [turns, conversation.panes(turns, blind), typed, gr.update(visible=going), gr.update(visible=may_vote)]

    # -- chat ---------------------------------------------------------------------------------------------------------

    def _ask(
        self, run_id: str, turns: list[Turn], blind: bool, question: str, system: str, request: gr.Request, *settings: Any
    ) -> Iterator[list[Any]]:  # fmt: skip
        question = (question or "").strip()
        if not question:
            raise RunError("There is nothing to ask", "The box is empty.", "Type a question.")
        turn = self._turn(run_id, question, blind, settings)
        yield from self._stream(_of_run(turns, run_id), turn, blind, system, request)

    def _again(
        self, run_id: str, turns: list[Turn], blind: bool, system: str, request: gr.Request, *settings: Any
    ) -> Iterator[list[Any]]:
        turns = _of_run(turns, run_id)
        if not turns:
            raise RunError("There is nothing to ask again", "No question has been asked yet.", "Type a question.")
        turn = self._turn(run_id, turns[-1].user, blind, settings)
        if not turns[-1].left_open:
            turn = conversation.with_other_dice(turn, turns[-1])
        yield from self._stream(turns[:-1], turn, blind, system, request)

    def _turn(self, run_id: str, question: str, blind: bool, settings: tuple[Any, ...]) -> Turn:
        return conversation.new_turn(question, blind, run_id=run_id, sampling=self._sampling(settings))

    def _stream(
        self, before: list[Turn], turn: Turn, blind: bool, system: str, request: gr.Request
    ) -> Iterator[list[Any]]:
        """Both answers as they come; the playground gathers about 50 ms of tokens at a time."""
        playground = self.studio.playground(turn.run_id)
        with self.asking.begin(request.session_hash or "", turn.run_id, playground) as asking:
            kept_turns.write(self.studio.run(turn.run_id), [*before, turn])
            answers = self._answers(asking, playground, before, turn, blind, system)
            yield from asking.shown(answers, len(self.chatting))

    def _answers(
        self, asking: Asking, playground: Playground, before: list[Turn], turn: Turn, blind: bool, system: str
    ) -> Generator[list[Any], None, None]:
        run = self.studio.run(turn.run_id)
        asked = {side: conversation.messages([*before, turn], side, system) for side in SIDES}
        try:
            yield self._conversation([*before, turn], blind, going=True, box="")
            for chunk in playground.chat(asked["base"], asked["tuned"], turn.sampling, token=asking.token):
                turn = conversation.with_chunk(turn, chunk)
                panes = conversation.panes([*before, turn], blind, status=conversation.status_of(chunk))
                yield [gr.skip(), panes, gr.skip(), gr.skip(), gr.skip()]
        except StudioError as error:
            if not asking.wanted:
                return
            gr.Warning(message_of(error), title=text(error.title), duration=None)
            kept = [*before, conversation.ended(turn)] if turn.base.text or turn.tuned.text else before
            yield self._conversation(kept, blind, box=turn.user)
            return
        finally:
            # Ended, stopped, failed, or left: a model that was made to stop says that it is done.
            left = not asking.stopped and not asking.wanted
            kept_turns.settle(run, replace(conversation.ended(turn) if asking.stopped else turn, left_open=left))
        # Once more the empty box: a browser that hears several messages at once skips what only the first one said.
        yield self._conversation([*before, conversation.ended(turn)], blind, box="")

    def _stop(self, run_id: str, request: gr.Request) -> dict[str, Any]:
        self.asking.stop(request.session_hash or "")
        return gr.update(visible=False)

    def _edit(self, run_id: str, turns: list[Turn], blind: bool, request: gr.Request) -> list[Any]:
        self.asking.drop(request.session_hash or "")
        turns = _of_run(turns, run_id)
        if not turns:
            return [gr.skip()] * len(self.chatting)
        kept_turns.write(self.studio.run(run_id), turns[:-1])
        return self._conversation(turns[:-1], blind, box=turns[-1].user)

    def _clear(self, run_id: str, blind: bool, request: gr.Request) -> list[Any]:
        self.asking.drop(request.session_hash or "")
        kept_turns.write(self.studio.run(run_id), [])
        return self._conversation([], blind)

    def _vote(self, vote: Vote, run_id: str, turns: list[Turn]) -> list[Any]:
        turns = _of_run(turns, run_id)
        if not turns or not turns[-1].hidden or turns[-1].vote or not turns[-1].answered:
            return [gr.skip()] * (len(self.chatting) + 1)
        run = self.studio.run(run_id)
        record = votes.record(turns[-1], vote, time.time())
        with run.feedback_path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
        voted = [*turns[:-1], replace(turns[-1], vote=vote)]
        kept_turns.settle(run, voted[-1])
        report = report_card(run.report(), votes.tally(_feedback(run)))
        return [*self._conversation(voted, True), report]

    def _sampling(self, settings: tuple[Any, ...]) -> dict[str, Any]:
        """The settings of the answers, checked.

        Raises:
            RecipeError: one is out of its range.
        """
        return checked_sampling(self.form.collect(settings)["answers"])

    # -- classification -----------------------------------------------------------------------------------------------

    def _classify(self, run_id: str, text: str, request: gr.Request) -> Any:
        if not (text or "").strip():
            raise RunError("There is nothing to sort", "The box is empty.", "Write or paste a text.")
        session = str(request.session_hash)
        here = self.shell.turn(session)
        answer = self.studio.playground(run_id).classify(text[:LONGEST])
        gone = self.shell.turn(session) not in (0, here)
        return gr.skip() if gone else classification.probabilities(answer)


def _of_run(turns: list[Turn], run_id: str) -> list[Turn]:
    """A conversation goes on with the run it was begun with, and with no other."""
    return [turn for turn in turns if turn.run_id == run_id]


def _playground_kind(recipe: Recipe) -> str:
    from studio.tasks import base as tasks

    return tasks.get(recipe.task).playground


def _feedback(run: RunFolder) -> list[dict[str, Any]]:
    """The lines of feedback.jsonl; damaged ones are left out."""
    try:
        lines = run.feedback_path.read_text(encoding="utf-8").split("\n")
    except OSError:
        return []
    records = []
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records
