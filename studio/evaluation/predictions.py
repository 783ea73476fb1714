"""What both models made of each held-back row: ``predictions.jsonl``, one JSON object a row. No torch."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from studio.data.types import Example
from studio.evaluation.bootstrap import Array

PREDICTIONS = "predictions.jsonl"


def write_predictions(run_dir: Path, lines: Iterable[dict[str, Any]]) -> None:
    """Row by row into a temporary file that then takes the place of the old one."""
    path = run_dir / PREDICTIONS
    temporary = path.with_name(f".{PREDICTIONS}.{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    temporary.replace(path)


def conversation_lines(
    examples: list[Example],
    tokens: Array,
    base: Array,
    tuned: Array,
    base_said: dict[int, Any],
    tuned_said: dict[int, Any],
) -> Iterator[dict[str, Any]]:
    for i, example in enumerate(examples):
        messages = example.get("messages", [])
        last = max((n for n, message in enumerate(messages) if message["role"] == "assistant"), default=len(messages))
        line: dict[str, Any] = {
            "row": example["row"],
            "prompt": "\n".join(f"{m['role']}: {m['content']}" for m in messages[:last]),
            "reference": messages[last]["content"] if last < len(messages) else "",
            "tokens": int(tokens[i]),
            "base_loss": _finite(base[i] / tokens[i]),
            "tuned_loss": _finite(tuned[i] / tokens[i]),
        }
        if i in base_said and i in tuned_said:
            line |= {"base_answer": base_said[i].text, "tuned_answer": tuned_said[i].text}
        yield line


def label_lines(examples: list[Example], labels: list[str], base: Array, tuned: Array) -> Iterator[dict[str, Any]]:
    for example, *sides in zip(examples, base, tuned, strict=True):
        line: dict[str, Any] = {
            "row": example["row"], "prompt": example.get("text", ""), "reference": example.get("label", ""),
        }  # fmt: skip
        for name, probabilities in zip(("base", "tuned"), sides, strict=True):
            usable = bool(np.isfinite(probabilities).all())
            line[f"{name}_label"] = labels[int(probabilities.argmax())] if usable else None
            line[f"{name}_probability"] = _finite(probabilities.max()) if usable else None
        yield line


def _finite(value: float) -> float | None:
    return round(float(value), 6) if np.isfinite(value) else None
