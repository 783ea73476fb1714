"""The loops: schedule, exact resumption, and the phases that follow each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.core.errors import RunError
from studio.pretraining.checkpoint import load_checkpoint
from studio.pretraining.instruct import IGNORED, InstructJob, batches, encode_dialogue, instruct
from studio.pretraining.model import build_model, summed_loss
from studio.pretraining.pretrain import Job, checkpoint_path, train_phase
from studio.pretraining.schedule import decay_factor, stable_factor
from studio.pretraining.settings import Settings
from studio.pretraining.tokenizer import load_tokenizer
from studio.runs.events import EventWriter, read_events


def _quiet(kind: str, **fields: Any) -> None:
    pass


def _job(settings: Settings, work: Path, run: Path) -> Job:
    return Job(settings, work / "tokens", run, _quiet)


def test_the_rate_warms_up_stays_and_falls_to_nothing() -> None:
    assert [stable_factor(s, 4) for s in (0, 1, 3, 900)] == [0.25, 0.5, 1.0, 1.0]
    assert decay_factor(0, 10) == 1.0
    assert decay_factor(5, 10) == pytest.approx(0.5)
    assert decay_factor(10, 10) == 0.0
    assert decay_factor(0, 10, warmup_steps=2) == pytest.approx(0.5)


def test_the_loss_is_that_of_the_network_itself(tiny_settings: Settings) -> None:
    model = build_model(tiny_settings.shape, 400, seed=1)
    ids = torch.randint(4, 400, (2, 17))
    with torch.no_grad():
        mine = summed_loss(model, ids[:, :-1], ids[:, 1:]) / 32
        theirs = model(input_ids=ids, labels=ids).loss
    assert float(mine) == pytest.approx(float(theirs), rel=5e-3)


def test_positions_without_a_target_count_for_nothing(tiny_settings: Settings) -> None:
    model = build_model(tiny_settings.shape, 400, seed=1)
    ids = torch.randint(4, 400, (2, 17))
    targets = ids[:, 1:].clone()
    targets[0, :9] = IGNORED
    with torch.no_grad():
        logits = model(input_ids=ids[:, :-1]).logits
        wanted = torch.nn.functional.cross_entropy(logits.reshape(-1, 400), targets.reshape(-1), reduction="sum")
        assert float(summed_loss(model, ids[:, :-1], targets)) == pytest.approx(float(wanted), rel=5e-3)


def test_a_run_that_was_cut_off_ends_with_the_same_weights(
    tiny_settings: Settings, tiny_work: Path, tmp_path: Path
) -> None:
    whole, cut = _job(tiny_settings, tiny_work, tmp_path / "whole"), _job(tiny_settings, tiny_work, tmp_path / "cut")
    assert train_phase("stable", whole).phase_step == 8
    calls = iter([False, False, True])
    assert train_phase("stable", replace(cut, should_stop=lambda: next(calls))).phase_step == 3
    progress = train_phase("stable", cut)
    assert (progress.phase_step, progress.tokens) == (8, 8 * 4 * 16)
    one, two = (load_checkpoint(checkpoint_path(j.run, "stable")) for j in (whole, cut))
    assert one["mixture"] == two["mixture"]
    for name, tensor in one["model"].items():
        assert torch.equal(tensor, two["model"][name]), name


def test_decay_and_instruction_follow_and_keep_the_stable_checkpoint(
    tiny_settings: Settings, tiny_work: Path, tmp_path: Path
) -> None:
    emit = EventWriter(tmp_path / "run" / "events.jsonl")
    job = replace(_job(tiny_settings, tiny_work, tmp_path / "run"), emit=emit)
    train_phase("stable", job)
    before = checkpoint_path(job.run, "stable").read_bytes()
    decayed = train_phase("decay", job)
    assert (decayed.step, decayed.phase_step) == (12, 4)
    assert checkpoint_path(job.run, "stable").read_bytes() == before
    taught = instruct(InstructJob(_small_text(tiny_settings), tiny_work, job.run, emit, steps=2))
    assert (taught.step, taught.phase_step) == (14, 2)
    emit.close()
    events, _ = read_events(job.run / "events.jsonl")
    metrics = [e for e in events if e["kind"] == "metric"]
    assert {"loss", "learning_rate", "tokens_per_second"} <= set(metrics[0])
    assert any("validation_loss" in e for e in metrics)
    assert [e["step"] for e in metrics] == sorted(e["step"] for e in metrics)


def test_what_each_phase_has_read_adds_up(tiny_settings: Settings, tiny_work: Path, tmp_path: Path) -> None:
    job = _job(tiny_settings, tiny_work, tmp_path)
    stable = train_phase("stable", job)
    cut = train_phase("decay", replace(job, should_stop=lambda: True))
    decay = train_phase("decay", job)
    for name, passes in stable.passes.items():
        assert passes <= cut.passes[name] <= decay.passes[name]
    assert sum(decay.passes.values()) > sum(cut.passes.values()) > sum(stable.passes.values())


def test_decay_without_a_stable_checkpoint_says_so(tiny_settings: Settings, tiny_work: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="Run the step before"):
        train_phase("decay", _job(tiny_settings, tiny_work, tmp_path))


def test_only_answers_are_learned_and_long_dialogues_end_after_a_whole_answer(tiny_work: Path) -> None:
    tokenizer = load_tokenizer(tiny_work / "tokenizer")
    turn = [{"role": "user", "content": "Where is the fox?"}, {"role": "assistant", "content": "By the tree."}]
    one = encode_dialogue(tokenizer, {"messages": turn}, 64)
    assert one is not None
    answer = [token for token, learned in zip(one.ids, one.learned, strict=True) if learned]
    assert tokenizer.decode(answer, skip_special_tokens=False) == "By the tree.<|im_end|>"
    long = encode_dialogue(tokenizer, {"messages": turn * 9}, 2 * len(one.ids) + 5)
    assert long is not None
    assert long.answer_length == 2 * one.answer_length
    assert long.learned[-1]
    assert encode_dialogue(tokenizer, {"messages": turn}, 5) is None


def test_batches_hold_every_answer_token_once(tiny_work: Path) -> None:
    tokenizer = load_tokenizer(tiny_work / "tokenizer")
    rows = [
        encode_dialogue(
            tokenizer,
            {"messages": [{"role": "user", "content": "Hi " * n}, {"role": "assistant", "content": "Yes."}]},
            64,
        )
        for n in range(1, 9)
    ]
    found = [row for row in rows if row is not None]
    learned = sum(int((targets != IGNORED).sum()) for _, targets in batches(found))
    assert learned == sum(row.answer_length for row in found)


def _small_text(settings: Settings) -> Settings:
    """Without the plain-text part: the tiny stories are shorter than its windows."""
    return settings.model_copy(update={"instruction": settings.instruction.model_copy(update={"text_share": 0.0})})
