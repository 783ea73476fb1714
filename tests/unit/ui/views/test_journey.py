"""Which steps are possible when, and where a run opens."""

from pathlib import Path

import pytest

from studio.runs.folder import RunFolder
from studio.runs.state import RunState
from studio.ui.views import journey


def test_without_a_run_only_the_first_step_is_possible() -> None:
    assert [bool(s.why_not) for s in journey.journey(None)] == [False, True, True, True, True, True]


@pytest.mark.parametrize(
    ("state", "model", "possible"),
    [
        ("draft", False, 3),
        ("training", False, 4),
        ("queued", False, 4),
        ("finished", True, 6),
        ("failed", False, 4),
        ("stopped", True, 6),
    ],
)
def test_what_is_possible_when(tmp_path: Path, state: str, model: bool, possible: int) -> None:
    run = RunFolder(tmp_path)
    if model:
        run.model_dir.mkdir()
        (run.model_dir / "tailor.json").write_text("{}")
    steps = journey.journey(run, RunState(state=state))  # type: ignore[arg-type]
    assert sum(not s.why_not for s in steps) == possible


def test_a_draft_opens_where_the_person_was(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write_state(RunState(step_of_journey=journey.PREPARE))
    assert journey.landing(run) == journey.PREPARE
    assert journey.landing(run, journey.EXPORT) == journey.MODEL
    assert journey.landing(None, journey.EXPORT) == journey.DATA


def test_the_row_says_why_not_and_names_the_run() -> None:
    markup = journey.header(journey.journey(None), 0, "a-1")
    assert markup.count('aria-disabled="true" title="Load data first."') == 5
    assert 'data-run="a-1" data-current="0"' in markup
    assert "data-gone" not in markup
    assert markup.count('aria-current="step"') == 1


def test_the_row_of_a_deleted_run_tells_the_page_to_leave_it() -> None:
    markup = journey.header(journey.journey(None), 2, "a-1", visit=7, gone=True)
    assert 'data-run="a-1" data-current="2" data-visit="7" data-gone' in markup
