"""Text classification: give each text one of the labels the examples use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.core.recipe import Recipe
from studio.data.checks import check_labels
from studio.data.labels import describe_labels, label_examples, read_labels
from studio.data.render import Segment, TextRenderer
from studio.data.types import CheckContext, Example, Finding, Reading, Splits, Table
from studio.tasks.base import Playground, Task
from studio.training.types import TrainJob, TrainResult

if TYPE_CHECKING:
    from studio.training.engine import Work


class TextClassificationTask(Task):
    name = "text_classification"
    title = "Sort texts into labels"
    description = "Give each text one of your labels, with how sure the model is."
    role_titles = {"text": "The text", "label": "Its label"}
    playground: Playground = "classify"
    auto_class = "AutoModelForSequenceClassification"
    bases = "text_classification"

    def read(self, table: Table) -> Reading:
        return read_labels(table)

    def describe(self, table: Table, roles: dict[str, Any], examples: Sequence[Example]) -> str:
        return describe_labels(table, roles, examples)

    def examples(self, table: Table, roles: dict[str, Any]) -> list[Example]:
        return label_examples(table, roles)

    def check(self, examples: Sequence[Example], context: CheckContext) -> list[Finding]:
        return check_labels(examples, context)

    def usable(self, examples: Sequence[Example]) -> list[Example]:
        return [e for e in examples if e.get("text", "").strip() and e.get("label", "").strip()]

    def stratum(self, example: Example) -> str | None:
        return example.get("label")

    def text(self, example: Example) -> str:
        return f"{example.get('text', '')}\n{example.get('label', '')}"

    def group_key(self, example: Example) -> str:
        return example.get("text", "")

    def lengths(self, examples: Sequence[Example], base_path: Path) -> list[int]:
        """Tokens of each text: the label is a class, and never read."""
        return TextRenderer.from_folder(base_path).lengths([e.get("text", "") for e in examples])

    def segments(self, example: Example, base_path: Path, max_length: int | None) -> list[Segment]:
        """The text as the tokenizer reads it back, then the label: what is learned is the label."""
        renderer = TextRenderer.from_folder(base_path)
        return [
            *renderer.segments(example.get("text", ""), max_length),
            Segment(f" → {example.get('label', '')}", learned=True, cut=False),
        ]

    def prompts(self, examples: Sequence[Example], count: int) -> list[str]:
        """Texts of as many different labels as there are, each text once."""
        seen: dict[str, list[str]] = {}
        for example in examples:
            if example.get("text", "").strip():
                seen.setdefault(example.get("label", ""), []).append(example["text"])
        rounds = zip(*(_padded(texts, count) for texts in seen.values()), strict=False)
        picked = [text for one_each in rounds for text in one_each if text is not None]
        return list(dict.fromkeys(picked))[:count]

    def make_work(self, recipe: Recipe, base_path: Path, splits: Splits) -> Work:
        from studio.training.sequence_classification import prepare_classifier

        return prepare_classifier(recipe, base_path, splits)

    def evaluate(self, job: TrainJob, result: TrainResult) -> dict[str, Any]:
        from studio.evaluation.report import evaluate_classifier

        return evaluate_classifier(job, result)


def _padded(texts: list[str], count: int) -> list[str | None]:
    return [*texts[:count], *[None] * max(0, count - len(texts))]
