"""Measuring in the background: one at a time, always the latest choice, ended when the run starts."""

import threading
from typing import Any

import pytest

from studio.core.errors import RunError
from studio.core.workspace import Workspace
from studio.runs.folder import RunFolder
from studio.ui.measuring import Measurements


class FakeDraft:
    """Counts measurements; each waits until it is let go."""

    def __init__(self) -> None:
        self.is_open, self.error, self.known = True, None, False
        self.go, self.began, self.count = threading.Event(), threading.Event(), 0

    def calibration(self) -> Any:
        return self.known or None

    def calibrate(self, cancelled: Any) -> Any:
        self.count += 1
        self.began.set()
        while not self.go.wait(0.01):
            if cancelled():
                raise RunError("Ended", code="cancelled")
        if self.error:
            raise self.error
        self.known = True
        return object()


class FakeStudio:
    def __init__(self, workspace: Workspace) -> None:
        self.workspace, self.made = workspace, FakeDraft()

    def draft(self, run_id: str) -> FakeDraft:
        return self.made


@pytest.fixture
def studio(tmp_path: Any) -> FakeStudio:
    return FakeStudio(Workspace.open(tmp_path))


def settle(measurements: Measurements) -> Any:
    for thread in threading.enumerate():
        if thread.name == "measure-r":
            thread.join(120)
    return measurements.of("r")


def test_a_number_comes_after_a_while_and_the_round_tells(studio: FakeStudio) -> None:
    measurements = Measurements(studio)  # type: ignore[arg-type]
    assert measurements.want("r").going
    studio.made.go.set()
    done = settle(measurements)
    assert (done.going, done.round, done.why_not) == (False, 1, "")


def test_a_choice_made_meanwhile_is_measured_after_it_and_never_two_at_once(studio: FakeStudio) -> None:
    measurements = Measurements(studio)  # type: ignore[arg-type]
    measurements.want("r")
    assert studio.made.began.wait(120)
    for _ in range(5):
        measurements.want("r")
    assert studio.made.count == 1
    studio.made.go.set()
    settle(measurements)
    assert studio.made.count == 2


def test_starting_the_run_ends_the_measurement(studio: FakeStudio) -> None:
    measurements = Measurements(studio)  # type: ignore[arg-type]
    measurements.want("r")
    assert studio.made.began.wait(120)
    measurements.drop("r")
    done = settle(measurements)
    assert not done.going
    assert not studio.made.known


@pytest.mark.parametrize(
    ("error", "said"),
    [(RunError("x", code="out_of_memory"), "out of memory while measuring"), (RunError("x"), "could not be measured"), (ValueError("x"), "could not be measured")],
)  # fmt: skip
def test_a_failure_is_words_and_no_number(studio: FakeStudio, error: Exception, said: str) -> None:
    studio.made.error = error
    studio.made.go.set()
    measurements = Measurements(studio)  # type: ignore[arg-type]
    measurements.want("r")
    assert settle(measurements).why_not == said


def test_nothing_is_measured_while_a_run_has_the_machine(studio: FakeStudio) -> None:
    RunFolder.create(studio.workspace, "busy").change_state(state="starting")
    measurements = Measurements(studio)  # type: ignore[arg-type]
    measurements.want("r")
    assert "run going on" in settle(measurements).why_not
    assert studio.made.count == 0
