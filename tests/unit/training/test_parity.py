"""Packed rows must be worth exactly what they are alone, whatever the architecture and method."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from studio.core.recipe import MethodOptions
from studio.training.adapters import apply_method
from studio.training.attention import PACKED, inner_model, is_packed, plain_attention, use_attention
from studio.training.loss import LinearCrossEntropy, LogitsCrossEntropy
from studio.training.packing import IGNORED, Rows, flat_batch
from studio.training.parity import check, next_token_path, short_rows

from .conftest import tiny


def make_rows(lengths, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for n in lengths:
        ids = rng.integers(3, 97, n)
        labels = np.where(np.arange(n) < n // 3 + 1, IGNORED, ids)
        rows.append((ids, labels))
    return Rows(rows)


ROWS = make_rows([9, 30, 4, 17, 22])


def alone(model, rows):
    """Summed loss by the model's own forward, one row at a time."""
    total = 0.0
    for i in range(len(rows)):
        ids, labels = (torch.from_numpy(part.astype("int64"))[None] for part in rows[i])
        logits = model(input_ids=ids).logits[:, :-1].float()
        total = total + F.cross_entropy(logits[0], labels[0, 1:], ignore_index=IGNORED, reduction="sum")
    return total


def packed(model, path, rows):
    batch = flat_batch(rows, list(range(len(rows))), next_token=True)
    labels = batch.pop("labels")
    return path.loss(model(**batch, use_cache=False), labels, 1)


ARCHITECTURES = [
    ("llama", {}),
    ("llama", {"tie_word_embeddings": True}),
    ("qwen3", {}),
    ("mistral", {"sliding_window": 8}),
    ("gemma3", {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}),
    ("granite", {"logits_scaling": 3.0}),
    ("gpt2", {}),
]


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize(("name", "changes"), ARCHITECTURES)
def test_loss_and_gradients_equal_row_by_row(name, changes, method):
    model = tiny(name, **changes)
    model = apply_method(model, MethodOptions(kind=method, rank=4), "causal_lm")
    if method == "lora":
        for key, parameter in model.named_parameters():
            if "lora_B" in key:
                torch.nn.init.normal_(parameter, std=0.1)
    model.eval()
    expected = alone(model, ROWS)
    expected.backward()
    gradients = {k: p.grad.clone() for k, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()

    path = next_token_path(model, ROWS, smoothing=0.0, dtype=torch.float32)
    assert path.packed, path.reason
    loss = packed(model, path, ROWS)
    loss.backward()

    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert gradients
    for key, parameter in model.named_parameters():
        if key in gradients:
            torch.testing.assert_close(parameter.grad, gradients[key], rtol=1e-3, atol=2e-4)


def test_a_capped_head_is_asked_for_logits():
    """Gemma can cap its logits: a tapped head would miss that, the check notices, and logits are handed over."""
    model = tiny("gemma3", final_logit_softcapping=0.2)
    expected = alone(model, ROWS)
    path = next_token_path(model, ROWS, smoothing=0.0, dtype=torch.float32)
    assert path.packed
    assert path.loss.tap is None
    assert packed(model, path, ROWS).item() == pytest.approx(expected.item(), rel=1e-5)


def test_an_attention_with_a_cap_falls_back():
    path = next_token_path(tiny("gemma2"), ROWS, smoothing=0.0, dtype=torch.float32)
    assert not path.packed
    assert "packed" in path.reason


def test_rows_that_see_one_another_are_noticed():
    """An attention that forgets the boundaries between rows."""
    model = tiny("llama")

    def leaky(outputs, batch):
        batch = {**batch, "doc_lens": [batch["input_ids"].shape[1]]} if is_packed(model) else dict(batch)
        labels = batch.pop("labels")
        logits = model(**batch, use_cache=False).logits
        targets = labels[labels != IGNORED]
        if logits.shape[1] == labels.shape[1]:
            logits = logits[:, :-1][labels[:, 1:] != IGNORED][None]
        return F.cross_entropy(logits[0], targets, reduction="sum")

    assert check(model, short_rows(ROWS), leaky, next_token=True)
    assert not is_packed(model)


def test_the_model_is_itself_again_after_release():
    model = tiny("llama")
    ids = torch.arange(3, 20)[None]
    before = model(input_ids=ids).logits
    path = next_token_path(model, ROWS, smoothing=0.0, dtype=torch.float32)
    with plain_attention(model):
        assert torch.equal(model(input_ids=ids).logits, before)
    path.loss.release()
    assert model(input_ids=ids).logits.shape == before.shape


def test_generation_between_steps_is_that_of_the_plain_model():
    model = tiny("llama")
    prompt = torch.tensor([[0, 0, 5, 6, 7], [9, 8, 7, 6, 5]])
    mask = torch.tensor([[0, 0, 1, 1, 1], [1] * 5])
    arguments = {"attention_mask": mask, "do_sample": False, "max_new_tokens": 8, "pad_token_id": 0}
    expected = model.generate(prompt, **arguments)
    next_token_path(model, ROWS, smoothing=0.0, dtype=torch.float32)
    with plain_attention(model):
        assert torch.equal(model.generate(prompt, **arguments), expected)
    assert inner_model(model).config._attn_implementation == PACKED


def test_gradient_checkpointing_keeps_the_loss_and_gradients():
    model = tiny("llama")
    twin = copy.deepcopy(model)
    results = []
    for each, saving in ((model, False), (twin, True)):
        path = next_token_path(each, ROWS, smoothing=0.0, dtype=torch.float32)
        if saving:
            each.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        each.train()
        packed(each, path, ROWS).backward()
        results.append(each.model.layers[0].self_attn.q_proj.weight.grad)
    torch.testing.assert_close(*results)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_chunked_cross_entropy_is_cross_entropy(smoothing, monkeypatch):
    monkeypatch.setattr("studio.training.loss._CHUNK_ELEMENTS", 97 * 40)
    torch.manual_seed(1)
    hidden = torch.randn(133, 16, requires_grad=True)
    weight = torch.randn(97, 16, requires_grad=True)
    bias = torch.randn(97, requires_grad=True)
    targets = torch.randint(0, 97, (133,))
    expected = F.cross_entropy(F.linear(hidden, weight, bias), targets, reduction="sum", label_smoothing=smoothing)
    wanted = torch.autograd.grad(expected / 7, (hidden, weight, bias))
    linear = LinearCrossEntropy.apply(hidden, weight, bias, targets, smoothing, torch.float32)
    assert linear.item() == pytest.approx(expected.item(), rel=1e-5)
    for got, want in zip(torch.autograd.grad(linear / 7, (hidden, weight, bias)), wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
    logits = F.linear(hidden, weight, bias)
    compact = LogitsCrossEntropy.apply(logits, targets, smoothing)
    assert compact.item() == pytest.approx(expected.item(), rel=1e-5)
    torch.testing.assert_close(torch.autograd.grad(compact / 7, hidden)[0], wanted[0], rtol=1e-4, atol=1e-5)


def test_nothing_to_learn_is_a_loss_of_zero_with_a_gradient():
    model = tiny("llama")
    path = next_token_path(model, ROWS, smoothing=0.0, dtype=torch.float32)
    batch = flat_batch(ROWS, [], next_token=True)
    labels = batch.pop("labels")
    loss = path.loss(model(**batch, use_cache=False), labels, None)
    loss.backward()
    assert loss.item() == 0


def test_short_rows_of_a_single_row_are_two():
    assert len(short_rows(make_rows([12]))) == 2
    assert short_rows(make_rows([200, 300])).lengths.tolist() == [48, 48]


def test_use_attention_reaches_the_model_inside_an_adapter():
    model = apply_method(tiny("llama"), MethodOptions(kind="lora", rank=2), "causal_lm")
    use_attention(model, PACKED)
    assert is_packed(model)
