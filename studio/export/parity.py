"""The proof that an export is the model the person tuned: the same inputs to both, and the answers compared.

The in-app model answers first and is let go before the unpacked export is opened, so that only one is in memory.
Chat: greedy answers token for token, and the largest difference of the logits along the in-app answer. Labels: the
label chosen and the largest difference of a probability. Needs torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.core.errors import ExportError
from studio.data.types import Message
from studio.export.source import Source
from studio.export.weights import load_exported, load_in_app, opened

NEW_TOKENS = 32
EXACT_LOGITS = 0.01
"""Largest allowed difference of a logit in float32: merging adds the adapter's product once instead of each time."""
HALF_LOGITS_SHARE = 0.05
"""In 16 bit the merged weights are rounded; allowed is this share of the largest logit."""
EXACT_PROBABILITY = 1e-3
HALF_PROBABILITY = 0.05


@dataclass
class Answers:
    """What one model made of the inputs. For chat ``inputs`` and ``tokens`` are token ids; ``numbers`` holds one tensor
    an input: logits (answer tokens, vocabulary) or probabilities (classes,)."""

    inputs: list[list[int]] = field(default_factory=list)
    tokens: list[list[int]] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    numbers: list[Any] = field(default_factory=list)


def in_app_answers(source: Source, dtype: str) -> Answers:
    """
    Raises:
        ExportError: the run's model cannot be opened.
    """
    from studio.data.render import ChatRenderer
    from studio.models.load import load_tokenizer

    with opened("The tuned model"):
        tokenizer = load_tokenizer(source.base_path)
        model = load_in_app(source, dtype)
        if source.classifies:
            return _classify(source, model, tokenizer)
        renderer = ChatRenderer.from_folder(source.base_path)
        prompts = [renderer.prompt(source.messages(text)) for text in source.inputs()]
        ids = [tokenizer(prompt, add_special_tokens=False)["input_ids"] for prompt in prompts]
        return _chat(model, _short_enough(ids, model), None)


def exported_answers(source: Source, folder: Path, dtype: str, reference: Answers) -> Answers:
    """
    Raises:
        ExportError: the unpacked export cannot be opened.
    """
    from transformers import AutoTokenizer

    with opened("The exported model"):
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        model = load_exported(source, folder, dtype)
        if source.classifies:
            return _classify(source, model, tokenizer)
        ids = [_question_ids(tokenizer, source.messages(text)) for text in source.inputs()]
        return _chat(model, _short_enough(ids, model), reference)


def compare(reference: Answers, exported: Answers, *, dtype: str, merged: bool) -> dict[str, Any]:
    """What was compared, in numbers; ``equal`` says whether the export may be offered.

    Args:
        merged: Whether adapter and base became one; only then may numbers differ beyond the last digit.

    Raises:
        ExportError: the answers differ, with the first difference named.
    """
    half = merged and dtype != "float32"
    if reference.inputs != exported.inputs:
        raise _differs("it reads the same question as other tokens; its tokenizer or chat template is not the run's")
    if reference.labels:
        difference = _largest(reference, exported)
        allowed = HALF_PROBABILITY if half else EXACT_PROBABILITY
        for i, (ours, theirs) in enumerate(zip(reference.labels, exported.labels, strict=True)):
            if ours != theirs:
                raise _differs(f"text {i + 1} is sorted into another label")
        _within(difference, allowed, "a probability")
        return _result(len(reference.labels), "labels", True, difference, allowed, dtype)
    scale = max(float(numbers.abs().max()) for numbers in reference.numbers)
    difference, allowed = _largest(reference, exported), HALF_LOGITS_SHARE * scale if half else EXACT_LOGITS
    same = reference.tokens == exported.tokens
    if not same and not half:
        i, place = _first_difference(reference.tokens, exported.tokens)
        raise _differs(f"answer {i + 1} differs from word piece {place + 1} on")
    _within(difference, allowed, "a logit")
    return _result(len(reference.tokens), "greedy answers", same, difference, allowed, dtype)


def _result(count: int, what: str, same: bool, difference: float, allowed: float, dtype: str) -> dict[str, Any]:
    return {
        "compared": f"{count} {what}", "identical": same, "largest_difference": difference, "allowed": allowed,
        "dtype": dtype, "equal": True,
    }  # fmt: skip


def _chat(model: Any, inputs: list[list[int]], reference: Answers | None) -> Answers:
    """Greedy answers, and the logits along the reference's answers (or along the model's own)."""
    import torch

    answers = Answers(inputs=inputs)
    for i, ids in enumerate(inputs):
        prompt = torch.tensor([ids], device=model.device)
        with torch.no_grad():
            output = model.generate(
                input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=NEW_TOKENS, do_sample=False,
                temperature=None, top_p=None, top_k=None,
            )  # fmt: skip
            answers.tokens.append(output[0, len(ids) :].tolist())
            along = (reference or answers).tokens[i]
            full = torch.tensor([ids + along], device=model.device)
            logits = model(input_ids=full, attention_mask=torch.ones_like(full)).logits[0, len(ids) - 1 :]
        answers.numbers.append(logits.float().cpu())
    return answers


def _classify(source: Source, model: Any, tokenizer: Any) -> Answers:
    import torch

    answers = Answers()
    for text in source.inputs():
        ids = tokenizer(text, truncation=True, max_length=source.recipe.training.max_length)["input_ids"]
        batch = torch.tensor([ids], device=model.device)
        with torch.no_grad():
            probabilities = model(input_ids=batch, attention_mask=torch.ones_like(batch)).logits[0].float().softmax(-1)
        answers.inputs.append(ids)
        answers.labels.append(str(model.config.id2label[int(probabilities.argmax())]))
        answers.numbers.append(probabilities.cpu())
    return answers


def _question_ids(tokenizer: Any, messages: list[Message]) -> list[int]:
    """As anyone who unpacks the export would ask: by the chat template that came with it."""
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)["input_ids"]


def _short_enough(inputs: list[list[int]], model: Any) -> list[list[int]]:
    """Questions that leave room for an answer; a longer one keeps its end, the same way for both models."""
    room = (getattr(model.config, "max_position_embeddings", None) or 1024) - NEW_TOKENS
    return [ids[-room:] for ids in inputs]


def _largest(reference: Answers, exported: Answers) -> float:
    """NaN anywhere makes it infinite, so that it never passes."""
    largest = 0.0
    for ours, theirs in zip(reference.numbers, exported.numbers, strict=True):
        if ours.shape != theirs.shape:
            return float("inf")
        difference = float((ours - theirs).abs().max())
        largest = max(largest, difference) if difference == difference else float("inf")
    return largest


def _within(difference: float, allowed: float, what: str) -> None:
    if not difference <= allowed:
        raise _differs(f"{what} is off by {difference:.3g}, and at most {allowed:.3g} is allowed")


def _first_difference(ours: list[list[int]], theirs: list[list[int]]) -> tuple[int, int]:
    i = next(i for i, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1])
    pairs = zip(ours[i], theirs[i], strict=False)
    return i, next((n for n, pair in enumerate(pairs) if pair[0] != pair[1]), min(len(ours[i]), len(theirs[i])))


def _differs(what: str) -> ExportError:
    return ExportError(
        "The export does not answer as the app does",
        f"It was unpacked, loaded and asked the same: {what}. It is not offered.",
        "Export once more; if it happens again, export the adapter instead and keep the run.",
        code="parity",
    )
