"""Whole runs on a tiny model: what is learnt, kept, told, and carried over a pause."""

from __future__ import annotations

import json
import math

import pytest
import torch
from safetensors.torch import load_file

from studio.core.errors import DataError, RecipeError, RunError
from studio.data.types import Splits
from studio.models.load import load_causal_lm
from studio.training import causal_lm, engine
from studio.training.causal_lm import prepare_causal_lm
from studio.training.checkpoints import latest_checkpoint
from studio.training.engine import train
from studio.training.packing import IGNORED

from .conftest import chats, make_job

SPLITS = Splits(train=chats(24), validation=chats(8, start=100))


@pytest.fixture(autouse=True)
def _quiet_samples(monkeypatch):
    monkeypatch.setattr("studio.training.samples.MAX_NEW_TOKENS", 4)


def weights(folder):
    return {k: v for file in sorted(folder.glob("*.safetensors")) for k, v in load_file(file).items()}


def test_a_run_learns_and_leaves_a_model(tmp_path, base):
    job = make_job(tmp_path / "run", base, SPLITS, epochs=3, learning_rate=3e-3)
    result = train(prepare_causal_lm, job)
    log = job.emit
    assert (result.outcome, result.steps, result.fast_path) == ("finished", 18, True)
    validation = log.values("metric", "validation_loss")
    assert len(validation) == 7
    assert validation[0] == pytest.approx(math.log(8192), abs=0.3)
    assert result.best_validation_loss == min(validation[1:]) < validation[0] - 1
    assert {p["step"] for p in log.events if p["kind"] == "sample"} == {0, 3, 6, 9, 12, 15, 18}
    assert result.tokens == log.values("metric", "tokens")[-1] == 3 * _tokens(job)
    facts = json.loads((job.model_dir / "tailor.json").read_text())
    assert facts["method"] == "full"
    assert facts["best_step"] == result.best_step
    kept = load_causal_lm(job.model_dir)
    ids = torch.tensor([[5, 6, 7, 8]])
    torch.testing.assert_close(kept(ids).logits, result.model(ids).logits)


def _tokens(job):
    return engine_work(job).rows.tokens


def engine_work(job):
    return prepare_causal_lm(job.recipe, job.base_path, job.splits)


def ask_at(job, step, what):
    """The person asks when this step is done; its loss is logged a moment later, so only those before it are there."""
    job.requested = lambda: what if len(job.emit.values("metric", "loss")) >= step - 1 else ""


@pytest.mark.parametrize("method", ["lora", "head", "freeze"])
def test_methods_change_only_what_they_say(tmp_path, base, method):
    job = make_job(tmp_path / "run", base, SPLITS, method=method, max_steps=4)
    train(prepare_causal_lm, job)
    before, after = weights(base), weights(job.model_dir)
    if method == "lora":
        assert all("lora" in key for key in after)
        assert any(after[key].abs().max() > 0 for key in after if "lora_B" in key)
        return
    changed = {key for key in after if key not in before or not torch.equal(after[key], before[key])}
    if method == "head":
        assert changed == {"lm_head.weight"}
        assert not torch.equal(after["lm_head.weight"], before["model.embed_tokens.weight"])
        ids = torch.tensor([[5, 6, 7]])
        assert load_causal_lm(job.model_dir)(ids).logits.shape[-1] == 8192
    else:
        assert changed
        assert all("layers.1." in key or key == "model.norm.weight" for key in changed)


def test_the_best_checkpoint_is_kept_and_restored(tmp_path, base, monkeypatch):
    losses = iter([5.0, 4.0, 2.0, 3.0, 3.5, 3.6])
    monkeypatch.setattr(engine, "evaluate", lambda work, model: {"validation_loss": next(losses)})
    job = make_job(tmp_path / "run", base, SPLITS, epochs=2.5, keep_checkpoints=1, learning_rate=3e-3)
    result = train(prepare_causal_lm, job)
    assert (result.best_step, result.best_validation_loss) == (6, 2.0)
    assert sorted(p.name for p in job.checkpoints_dir.iterdir()) == ["checkpoint-15", "checkpoint-6"]
    best = weights(job.checkpoints_dir / "checkpoint-6")
    assert all(torch.equal(value, best[key]) for key, value in weights(job.model_dir).items())
    assert not torch.equal(
        weights(job.checkpoints_dir / "checkpoint-15")["model.norm.weight"], best["model.norm.weight"]
    )


def test_early_stopping(tmp_path, base, monkeypatch):
    losses = iter([5.0, 4.0, 4.1, 4.2, 4.3, 4.4, 4.5])
    monkeypatch.setattr(engine, "evaluate", lambda work, model: {"validation_loss": next(losses)})
    job = make_job(tmp_path / "run", base, SPLITS, epochs=5, early_stopping_patience=2)
    result = train(prepare_causal_lm, job)
    assert (result.outcome, result.steps, result.best_step) == ("early", 9, 3)


@pytest.mark.parametrize(("method", "pause_at"), [("full", 3), ("lora", 4)])
def test_a_paused_run_ends_as_an_unbroken_one(tmp_path, base, method, pause_at):
    """Adapter dropout is on, so random numbers must be carried over too."""
    settings = {"method": method, "epochs": 1, "gradient_accumulation_steps": 2, "batch_size": 2}
    unbroken = make_job(tmp_path / "unbroken", base, SPLITS, **settings)
    expected = train(prepare_causal_lm, unbroken)

    first = make_job(tmp_path / "broken", base, SPLITS, **settings)
    ask_at(first, pause_at, "pause")
    paused = train(prepare_causal_lm, first)
    assert (paused.outcome, paused.steps, paused.model) == ("paused", pause_at, None)
    assert not first.model_dir.exists()

    second = make_job(tmp_path / "broken", base, SPLITS, **settings)
    second.resume_from = latest_checkpoint(second.checkpoints_dir)
    result = train(prepare_causal_lm, second)
    assert (result.outcome, result.steps, result.best_step) == ("finished", expected.steps, expected.best_step)
    assert result.best_validation_loss == pytest.approx(expected.best_validation_loss, abs=1e-6)
    metrics = {e["step"]: e["loss"] for e in unbroken.emit.events if e["kind"] == "metric" and "loss" in e}
    for event in second.emit.events:
        if event["kind"] == "metric" and "loss" in event:
            assert event["loss"] == pytest.approx(metrics[event["step"]], abs=1e-6)
    for key, value in weights(second.model_dir).items():
        torch.testing.assert_close(value, weights(unbroken.model_dir)[key], rtol=0, atol=1e-6)
    assert not [e for e in second.emit.events if e["kind"] == "sample" and e["step"] == 0]


def test_early_stopping_counts_on_over_a_pause(tmp_path, base, monkeypatch):
    losses = iter([5.0, 4.0, 4.1, 4.2, 4.3])
    monkeypatch.setattr(engine, "evaluate", lambda work, model: {"validation_loss": next(losses)})
    first = make_job(tmp_path / "run", base, SPLITS, epochs=5, early_stopping_patience=2)
    ask_at(first, 7, "pause")
    train(prepare_causal_lm, first)
    second = make_job(tmp_path / "run", base, SPLITS, epochs=5, early_stopping_patience=2)
    second.resume_from = latest_checkpoint(second.checkpoints_dir)
    result = train(prepare_causal_lm, second)
    assert (result.outcome, result.steps, result.best_step) == ("early", 9, 3)


def test_stop_keeps_the_best(tmp_path, base):
    job = make_job(tmp_path / "run", base, SPLITS, epochs=2, evaluation_interval=100)
    ask_at(job, 5, "stop")
    result = train(prepare_causal_lm, job)
    assert (result.outcome, result.steps, result.best_step) == ("stopped", 5, 5)
    assert (job.model_dir / "model.safetensors").is_file()


def test_a_breakdown_is_told_and_stops(tmp_path, base):
    job = make_job(tmp_path / "run", base, SPLITS, epochs=3, learning_rate=1.0, max_gradient_norm=0, warmup_ratio=0)
    job.recipe.training.weight_decay = 1.0
    with pytest.raises(RunError) as caught:
        _with_broken_gradients(job)
    assert caught.value.code == "diverged"
    assert "learning rate" in caught.value.what_to_do
    assert "diverged" in job.emit.values("note", "code")
    assert not job.model_dir.exists()


def _with_broken_gradients(job):
    """A loss that is no number from the third step on."""
    work = engine_work(job)
    whole, calls = work.path.loss, iter(range(1000))

    class Broken(type(whole)):
        def __call__(self, outputs, labels, num_items_in_batch=None):
            loss = super().__call__(outputs, labels, num_items_in_batch)
            return loss * math.nan if next(calls) >= 2 else loss

    whole.__class__ = Broken
    engine.run(work, job)


def test_accumulation_changes_nothing(tmp_path, base):
    """Four rows at once, or two rows twice: the same losses, gradient norms and weights."""
    runs = []
    for name, settings in {
        "whole": {"batch_size": 4, "gradient_accumulation_steps": 1},
        "halves": {"batch_size": 2, "gradient_accumulation_steps": 2},
    }.items():
        job = make_job(tmp_path / name, base, SPLITS, **settings)
        train(prepare_causal_lm, job)
        runs.append(job)
    for field in ("loss", "gradient_norm", "validation_loss"):
        first, second = (job.emit.values("metric", field) for job in runs)
        assert first == pytest.approx(second, rel=1e-4)


def test_an_unpackable_base_takes_the_slow_path(tmp_path, base, monkeypatch):
    monkeypatch.setattr("studio.training.parity.check", lambda *a, **k: "This base cannot read packed rows.")
    job = make_job(tmp_path / "run", base, SPLITS, max_steps=4)
    slow = train(prepare_causal_lm, job)
    assert (slow.fast_path, slow.fast_path_reason) == (False, "This base cannot read packed rows.")
    assert job.emit.values("note", "code")[0] == "slow_path"
    monkeypatch.undo()
    fast = make_job(tmp_path / "fast", base, SPLITS, max_steps=4)
    train(prepare_causal_lm, fast)
    assert job.emit.values("metric", "validation_loss")[0] == pytest.approx(
        fast.emit.values("metric", "validation_loss")[0], abs=1e-5
    )


def test_without_validation_rows_the_last_step_is_kept(tmp_path, base):
    job = make_job(tmp_path / "run", base, Splits(train=chats(10)), max_steps=4)
    result = train(prepare_causal_lm, job)
    assert (result.best_step, result.best_validation_loss) == (4, None)
    assert not job.emit.values("metric", "validation_loss")


@pytest.mark.parametrize("settings", [{"schedule": "warmup_stable_decay"}, {"optimizer": "adafactor", "schedule": "constant"}, {"gradient_checkpointing": "on", "label_smoothing": 0.1}, {"precision": "bf16", "dropout": 0.1}])  # fmt: skip
def test_settings_reach_the_trainer(tmp_path, base, settings):
    job = make_job(tmp_path / "run", base, SPLITS, max_steps=2, **settings)
    result = train(prepare_causal_lm, job)
    assert result.outcome == "finished"
    assert all(math.isfinite(loss) for loss in job.emit.values("metric", "loss"))


def test_lora_in_bf16_answers_without_autocast_afterwards(tmp_path, base):
    job = make_job(tmp_path / "run", base, SPLITS, method="lora", max_steps=3, precision="bf16")
    result = train(prepare_causal_lm, job)
    logits = result.model(input_ids=torch.tensor([[5, 6, 7]])).logits
    assert logits.dtype == torch.bfloat16


def test_rows_without_an_answer_cannot_be_learnt(tmp_path, base):
    silent = [{"row": 0, "messages": [{"role": "user", "content": "Hello?"}]}]
    with pytest.raises(DataError):
        train(prepare_causal_lm, make_job(tmp_path / "run", base, Splits(train=silent)))


def test_the_first_token_is_never_learnt(base, tmp_path):
    rows = engine_work(make_job(tmp_path / "run", base, SPLITS)).rows
    assert all(rows[i][1][0] == IGNORED for i in range(len(rows)))


def test_wrong_layer_names_are_told_with_the_right_ones(tmp_path, base):
    job = make_job(tmp_path / "run", base, SPLITS, method="lora")
    job.recipe.method.target_modules = "q_prj"
    with pytest.raises(RecipeError, match="q_proj"):
        train(prepare_causal_lm, job)


def test_too_many_frozen_layers_are_told(tmp_path, base):
    job = make_job(tmp_path / "run", base, SPLITS, method="freeze")
    job.recipe.method.freeze_layers = 2
    with pytest.raises(RecipeError, match="2 layers"):
        train(prepare_causal_lm, job)


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.cuda.OutOfMemoryError("x"), RuntimeError("DefaultCPUAllocator: not enough memory")]
)
def test_out_of_memory_says_what_to_do(tmp_path, base, monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(causal_lm, "load_causal_lm", fail)
    with pytest.raises(RunError, match="2 rows at once") as caught:
        train(prepare_causal_lm, make_job(tmp_path / "run", base, SPLITS))
    assert caught.value.code == "out_of_memory"


def test_a_damaged_checkpoint_is_refused(tmp_path, base):
    job = make_job(tmp_path / "run", base, SPLITS, max_steps=3)
    train(prepare_causal_lm, job)
    job.resume_from = latest_checkpoint(job.checkpoints_dir)
    (job.resume_from / "optimizer.pt").write_bytes(b"cut")
    assert latest_checkpoint(job.checkpoints_dir) is None
    with pytest.raises(RunError, match="not whole"):
        train(prepare_causal_lm, job)
