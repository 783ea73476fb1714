"""A third task as another package would bring it: learn to go on with texts. Says no more than a task must."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.core.options import Options, option
from studio.data.types import Example, Reading, Splits, Table
from studio.tasks.base import Task


class Settings(Options):
    shout: bool = option(False, title="Capitals", help="Learn everything in capitals.")


class ContinueTask(Task):
    name = "continue"
    title = "Go on with texts"
    role_titles = {"text": "The text"}
    options = Settings

    def read(self, table: Table) -> Reading:
        fits = "verse" in table.columns
        return Reading(self.name, 1.0 if fits else 0.0, "verses", {"text": "verse"} if fits else {}, "Verses.")

    def examples(self, table: Table, roles: dict[str, Any]) -> list[Example]:
        rows = table.page(0, len(table))
        return [{"row": i, "text": str(row[roles["text"]] or "")} for i, row in enumerate(rows)]

    def make_work(self, recipe: Any, base_path: Path, splits: Splits) -> Any:
        import torch

        from studio.data.render import TextRenderer
        from studio.models.load import load_causal_lm, load_tokenizer
        from studio.training import setup
        from studio.training.engine import Work
        from studio.training.packing import IGNORED, Rows
        from studio.training.parity import next_token_path

        def rows(examples: list[Example]) -> Rows:
            texts = [e["text"].upper() if self.settings(recipe).shout else e["text"] for e in examples]
            encoded = TextRenderer.from_folder(base_path).encode_many(texts, recipe.training.max_length)
            return Rows([(ids, [IGNORED, *ids[1:]]) for ids in encoded if len(ids) > 1])

        model = setup.with_method(load_causal_lm(base_path, dtype=torch.float32), recipe, "causal_lm")
        train = rows(splits.train)
        path = next_token_path(model, train, smoothing=0.0, dtype=torch.float32)
        return Work(model, load_tokenizer(base_path), path, train, rows(splits.validation), True, torch.float32)

    def evaluate(self, job: Any, result: Any) -> dict[str, Any]:
        return {"task": self.name, "steps": result.steps}


class Unfinished(Task):
    name = "unfinished"
    title = "Says too little"
    role_titles = {}
