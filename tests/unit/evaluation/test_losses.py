"""Row losses equal a plain row-by-row computation, whatever the batching."""

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from studio.evaluation import losses
from studio.evaluation.losses import IGNORED, EncodedRow, row_losses


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=64,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def rows():
    generator = np.random.default_rng(0)
    made = []
    for length in (5, 30, 12, 3, 30, 21):
        ids = generator.integers(1, 50, size=length).tolist()
        made.append(EncodedRow(ids, [IGNORED] * (length // 2) + ids[length // 2 :]))
    made.append(EncodedRow([4, 5, 6], [IGNORED] * 3))
    return made


def plain_loss(model, row):
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([row.ids])).logits[0, :-1]
    return torch.nn.functional.cross_entropy(
        logits, torch.tensor(row.labels[1:]), ignore_index=IGNORED, reduction="sum"
    ).item()


@pytest.mark.parametrize("room", [1, 50 * 4 * 12, 2**20])
def test_batches_of_any_size_give_the_same_losses(model, rows, room, monkeypatch):
    monkeypatch.setattr(losses, "LOGIT_BYTES", room)
    got = row_losses(model, rows, pad_id=0)
    assert got[:-1] == pytest.approx([plain_loss(model, row) for row in rows[:-1]], rel=1e-4)
    assert got[-1] == 0


def test_a_model_that_cannot_select_positions_gives_the_same(model, rows, monkeypatch):
    expected = row_losses(model, rows, pad_id=0)

    class Plain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model
            self.config = model.config

        def forward(self, input_ids, attention_mask, use_cache):
            return self.inner(input_ids=input_ids, attention_mask=attention_mask, use_cache=use_cache)

    assert row_losses(Plain(), rows, pad_id=0) == pytest.approx(expected, rel=1e-4)


def test_progress_ends_at_one(model, rows):
    told = []
    row_losses(model, rows[:-1], 0, told.append)
    assert told[-1] == 1
    assert told == sorted(told)


def test_a_broken_model_gives_nan_and_no_exception(model, rows):
    broken = LlamaForCausalLM(model.config)
    with torch.no_grad():
        broken.lm_head.weight.fill_(float("nan"))
    assert np.isnan(row_losses(broken, rows[:-1], pad_id=0)).all()
