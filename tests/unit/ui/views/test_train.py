"""What the Train step says in each state of a run."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from studio.runs.state import STATES, RunState
from studio.ui.views import train as words


def shown(state: RunState, **more: object) -> set[str]:
    made = words.buttons(state, str(more.get("requested", "")), bool(more.get("tuned")), bool(more.get("checkpoint")))
    return {name for name, there in vars(made).items() if there}


def test_each_state_offers_what_can_be_done_in_it() -> None:
    assert shown(RunState(state="queued")) == {"cancel"}
    assert shown(RunState(state="training")) == {"pause", "stop"}
    assert shown(RunState(state="training"), requested="pause") == {"stop"}
    assert shown(RunState(state="training"), requested="stop") == set()
    assert shown(RunState(state="evaluating")) == set()
    assert shown(RunState(state="interrupted")) == {"resume"}
    assert shown(RunState(state="stopped")) == {"resume"}
    assert shown(RunState(state="stopped"), checkpoint=True) == {"stop", "resume"}
    assert shown(RunState(state="stopped"), tuned=True) == {"resume", "compare"}
    assert shown(RunState(state="finished"), tuned=True) == {"compare"}
    assert shown(RunState(state="failed", error={"code": "x"})) == {"resume", "again"}
    assert shown(RunState(state="failed", error={"code": "out_of_memory"})) == {"resume", "retry", "again"}
    assert shown(RunState(state="interrupted", error={"code": "killed"})) == {"resume", "retry"}


@pytest.mark.parametrize("state", sorted(STATES))
def test_every_state_has_words(state: str) -> None:
    made = RunState(state=state)  # type: ignore[arg-type]
    assert words.TITLES[state]
    assert "<strong>" in words.coach([], made, True)
    assert words.status(made, {}, {}, True)


def test_the_newest_note_is_the_coach_s_line_and_the_verdict_the_last_word() -> None:
    notes = [{"text": "First.", "level": "good"}, {"text": "Learning <by> heart.", "level": "caution"}]
    going = words.coach(notes, RunState(state="training"), False)
    assert "Learning &lt;by&gt; heart." in going
    assert "△" in going
    assert "First." not in going
    assert "Clearly better." in words.coach(notes, RunState(state="finished"), True, "Clearly better.")


def test_a_failure_says_what_happened_and_what_to_do() -> None:
    error = {
        "title": "Memory ran out",
        "what_happened": "It needed <9> GB.",
        "what_to_do": "Retry with a smaller batch.",
    }
    line = words.coach([], RunState(state="failed", error=error), False)
    assert "Memory ran out." in line
    assert "It needed &lt;9&gt; GB. Retry with a smaller batch." in line


def test_a_run_cut_off_by_the_system_says_what_to_do() -> None:
    error = {"title": "The run was cut off", "what_happened": "Memory ran out.", "what_to_do": "Retry with less."}
    state = RunState(state="interrupted", message="Memory ran out.", error=error)
    assert "Memory ran out. Retry with less." in words.coach([], state, False)


def test_a_paused_run_is_not_called_finished() -> None:
    state = RunState(state="stopped", message="Paused at step 14. Resume goes on from there.")
    assert "Paused at step 14" in words.coach([], state, False)
    assert "Paused" in words.status(replace(state, step=14), {}, {}, False)


def test_a_run_that_the_person_stopped_says_so_with_its_bar_at_its_place() -> None:
    message = "Stopped by you at step 157 of 525. The weights of step 140, the best, were kept."
    state = RunState(state="finished", outcome="stopped", step=157, total_steps=525, message=message)
    line = words.coach([], state, True, "Clearly better.")
    assert f"<strong>{message}</strong>" in line
    assert "Clearly better." in line
    assert "Finished" not in line
    assert "✓" not in line
    markup = words.status(state, {}, {"step": 157.0}, True)
    assert 'aria-valuenow="30"' in markup
    assert "Stopped by you." in markup
    assert "157 of 525" in markup
    assert "Finished" not in markup


def test_a_run_that_ended_early_or_is_from_before_is_not_shown_as_full() -> None:
    early = RunState(state="finished", outcome="early", step=50, total_steps=100)
    assert "Ended early" in words.status(early, {}, {}, True)
    assert 'aria-valuenow="50"' in words.status(early, {}, {}, True)
    unknown = RunState(state="finished", step=25, total_steps=100)
    assert "Ended before the last step." in words.status(unknown, {}, {}, True)
    assert 'aria-valuenow="25"' in words.status(unknown, {}, {}, True)
    whole = RunState(state="finished", outcome="finished", step=100, total_steps=100)
    assert 'aria-valuenow="100"' in words.status(whole, {}, {}, True)
    assert "✓" in words.coach([], whole, True, "Better.")


def test_the_time_it_took_leaves_pauses_out() -> None:
    resumed = RunState(state="finished", started=1000.0, ended=1025.0, seconds=45.0)
    assert "<dt>Took</dt><dd>45 s</dd>" in words.status(resumed, {}, {}, True)
    before = RunState(state="finished", started=1000.0, ended=1025.0)
    assert "<dt>Took</dt><dd>25 s</dd>" in words.status(before, {}, {}, True)


def test_the_validation_loss_at_the_end_is_that_of_the_weights_that_were_kept() -> None:
    latest, best = {"step": 157.0, "validation_loss": 2.58}, [140.0, 2.55]
    end = words.status(RunState(state="finished"), {}, latest, True, best=best)
    assert "<dt>Validation loss at step 140, kept</dt><dd>2.550</dd>" in end
    assert "2.580" not in end
    going = words.status(RunState(state="training"), {}, latest, False, best=best)
    assert "<dt>Validation loss</dt><dd>2.580</dd>" in going
    assert "<dt>Best so far, step 140</dt><dd>2.550</dd>" in going


def test_a_run_stopped_before_it_began_is_not_called_paused() -> None:
    assert "Stopped before the first step." in words.status(RunState(state="stopped"), {}, {}, False)
    assert "Paused" in words.status(RunState(state="stopped", step=3), {}, {}, False)


def test_progress_and_figures() -> None:
    state = RunState(state="training", total_steps=200)
    latest = {"step": 50.0, "epoch": 0.75, "tokens_per_second": 5234.4, "memory_gib": 0.92, "validation_loss": 2.3456}
    markup = words.status(state, {"seconds_left": 130, "message": "Learning."}, latest, False)
    for said in (
        "50 of 200",
        "2 min",
        "5,234 tokens/s",
        "0.9 GB",
        "2.346",
        'aria-valuenow="25"',
        "Closing this page is safe.",
    ):
        assert said in markup


def test_a_waiting_run_says_how_many_go_before_it() -> None:
    assert "2 runs before it" in words.status(RunState(state="queued"), {}, {}, False, "", 2)
    assert "Next in the queue" in words.status(RunState(state="queued"), {}, {}, False, "", 0)


def test_answers_are_prompts_by_checkpoints_escaped_first_and_last_always_there() -> None:
    samples = [
        {"step": step, "prompt": "<i>Where?</i>", "answer": f"<script>at {step}</script>"} for step in range(0, 200, 10)
    ]
    markup = words.answers(samples)
    assert "<script>" not in markup
    assert "<i>" not in markup
    assert "Before tuning" in markup
    assert "Step 190" in markup
    assert markup.count('scope="col"') == 1 + words.CHECKPOINTS_SHOWN
    assert "first answers appear here" in words.answers([])


def columns(markup: str) -> list[str]:
    return re.findall(r'<th scope="col"[^>]*>(Before tuning|Step [0-9,]+)', markup)


def test_the_column_of_the_weights_that_are_kept_is_marked_in_words() -> None:
    samples = [{"step": step, "prompt": "p", "answer": f"at {step}", "best": step == 20} for step in (0, 10, 20, 30)]
    markup = words.answers(samples)
    assert re.findall(r"Step (\d+) <small[^>]*>✓ best, kept</small>", markup) == ["20"]
    assert re.findall(r'<td class="ts-kept"><div class="ts-cell">([^<]*)', markup) == ["at 20"]
    assert "kept" not in words.answers([{**sample, "best": False} for sample in samples])
    worse = words.answers([{**sample, "worse": sample["best"]} for sample in samples])
    assert "△ kept, worse than before" in worse
    assert "✓" not in worse


@pytest.mark.parametrize("best", [10, 30, 50, 100, 170, 180, 190])
def test_the_best_has_a_column_however_many_checks_there_were(best: int) -> None:
    samples = [{"step": step, "prompt": "p", "answer": "a", "best": step == best} for step in range(0, 200, 10)]
    shown = columns(words.answers(samples))
    assert len(shown) == words.CHECKPOINTS_SHOWN
    assert (shown[0], shown[-1]) == ("Before tuning", "Step 190")
    steps = [int(name.removeprefix("Step ")) for name in shown[1:]]
    assert best in steps
    assert steps == sorted(set(steps))


def test_the_log_shows_its_last_lines_escaped_and_only_the_end_of_a_progress_bar(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    assert "appears here" in words.log_tail(path)
    path.write_text("".join(f"line {n}\n" for n in range(1000)) + "10%\r20%\r<b>30%</b>\n")
    markup = words.log_tail(path)
    assert "line 800\n" not in markup
    assert "line 801\n" in markup
    assert "&lt;b&gt;30%" in markup
    assert "10%" not in markup


def test_a_log_that_is_no_text_is_shown_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"\xff\xfe\x00bad\n")
    assert "bad" in words.log_tail(path)
