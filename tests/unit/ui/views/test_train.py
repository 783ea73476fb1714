"""What the Train step says in each state of a run."""

import re
from pathlib import Path

import pytest

from studio.runs.state import STATES, RunState
from studio.ui.views import train as words


def shown(state: RunState, **more: object) -> set[str]:
    made = words.buttons(state, str(more.get("requested", "")), bool(more.get("tuned")))
    return {name for name, there in vars(made).items() if there}


def test_each_state_offers_what_can_be_done_in_it() -> None:
    assert shown(RunState(state="queued")) == {"cancel"}
    assert shown(RunState(state="training")) == {"pause", "stop"}
    assert shown(RunState(state="training"), requested="pause") == {"stop"}
    assert shown(RunState(state="training"), requested="stop") == set()
    assert shown(RunState(state="evaluating")) == set()
    assert shown(RunState(state="interrupted")) == {"resume"}
    assert shown(RunState(state="stopped")) == {"resume"}
    assert shown(RunState(state="stopped"), tuned=True) == {"resume", "compare"}
    assert shown(RunState(state="finished"), tuned=True) == {"compare"}
    assert shown(RunState(state="failed", error={"code": "x"})) == {"resume"}
    assert shown(RunState(state="failed", error={"code": "out_of_memory"})) == {"resume", "retry"}
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
    assert "Paused" in words.status(state, {}, {}, False)


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
