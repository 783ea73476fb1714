"""What happens between the steps: here, what a request does that comes in the middle of a check."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from studio.training.progress import Pace, Progress

STEPS = 10


@pytest.mark.parametrize(("request_", "outcome"), [("pause", "paused"), ("stop", "stopped")])
def test_a_request_during_a_check_does_not_wait_for_one_more_step(tmp_path: Path, request_: str, outcome: str) -> None:
    asked: list[str] = []

    def check(model: Any) -> dict[str, float]:
        asked.append(request_)
        return {"validation_loss": 1.0}

    pace = Pace(STEPS, STEPS, 1, 0, 1, 1e-3, np.arange(STEPS + 1))
    progress = Progress(pace, lambda *_, **__: None, lambda: asked[-1] if asked else "", tmp_path, check, None)
    control = SimpleNamespace(should_training_stop=False, should_save=False, should_log=False)
    progress.on_step_end(None, SimpleNamespace(global_step=3), control)
    assert progress.outcome == outcome
    assert control.should_training_stop
    assert control.should_save
    assert len(asked) == 1, "the check that was going on is the one that counts"
