from __future__ import annotations

import pytest

from studio.data.types import Splits
from studio.training import calibrate as module
from studio.training.calibrate import calibrate
from studio.training.causal_lm import prepare_causal_lm
from studio.training.sequence_classification import prepare_classifier

from .conftest import chats, make_job, texts


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(module, "MAX_SECONDS", 0.2)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_chat(tmp_path, base, method):
    job = make_job(tmp_path / "run", base, Splits(train=chats(20), validation=chats(5, 50)), method=method)
    measured = calibrate(prepare_causal_lm, job.recipe, base, job.splits)
    assert min(measured.tokens_per_second, measured.evaluation_tokens_per_second, measured.load_s) > 0
    assert measured.generation_tokens_per_second > 0
    assert measured.peak_memory_gib > 0.05
    assert not job.checkpoints_dir.exists()


def test_labels(tmp_path, base):
    job = make_job(tmp_path / "run", base, Splits(train=texts(20)))
    measured = calibrate(prepare_classifier, job.recipe, base, job.splits)
    assert measured.tokens_per_second > 0
    assert measured.generation_tokens_per_second == 0
