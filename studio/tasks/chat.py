"""Chat: learn to answer as the assistant of the conversations does (instruction following, one or several turns)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.core.recipe import DataOptions, Recipe
from studio.data.chat import chat_examples, describe_chat
from studio.data.checks import check_chat
from studio.data.detect_chat import read_chat
from studio.data.render import ChatRenderer, Segment
from studio.data.types import CheckContext, Example, Finding, Message, Reading, Splits, Table
from studio.tasks.base import Task
from studio.training.types import TrainJob, TrainResult

if TYPE_CHECKING:
    from studio.training.engine import Work


class ChatTask(Task):
    name = "chat"
    title = "Chat"
    description = "Answer like the examples do: questions in, answers out, in your voice."
    role_titles = {
        "user": "What the person says",
        "assistant": "What the model should answer",
        "system": "Instruction before the conversation",
        "context": "Background that belongs to the question",
        "messages": "The whole conversation",
        "conversation": "Which conversation a row belongs to",
        "role": "Who speaks in a row",
        "content": "What is said in a row",
    }

    def read(self, table: Table) -> Reading:
        return read_chat(table)

    def describe(self, table: Table, roles: dict[str, Any], examples: Sequence[Example]) -> str:
        return describe_chat(table, roles, examples)

    def examples(self, table: Table, roles: dict[str, Any]) -> list[Example]:
        return chat_examples(table, roles)

    def check(self, examples: Sequence[Example], context: CheckContext) -> list[Finding]:
        return check_chat(examples, context)

    def usable(self, examples: Sequence[Example]) -> list[Example]:
        return [example for example in examples if _has_both_sides(example.get("messages", []))]

    def text(self, example: Example) -> str:
        return "\n".join(f"{m['role']}: {m['content']}" for m in example.get("messages", []))

    def group_key(self, example: Example) -> str:
        return "\n".join(m["content"] for m in example.get("messages", []) if m["role"] == "user")

    def prepare(self, examples: Sequence[Example], data: DataOptions) -> list[Example]:
        """Put the recipe's system prompt before each conversation that has none of its own."""
        prompt = (data.system_prompt or "").strip()
        if not prompt:
            return list(examples)
        first: Message = {"role": "system", "content": prompt}
        prepared = []
        for example in examples:
            messages = example.get("messages", [])
            if messages and messages[0]["role"] != "system":
                example = {**example, "messages": [first, *messages]}
            prepared.append(example)
        return prepared

    def lengths(self, examples: Sequence[Example], base_path: Path) -> list[int]:
        return ChatRenderer.from_folder(base_path).lengths([e.get("messages", []) for e in examples])

    def segments(self, example: Example, base_path: Path, max_length: int | None) -> list[Segment]:
        return ChatRenderer.from_folder(base_path).segments(example.get("messages", []), max_length)

    def prompts(self, examples: Sequence[Example], count: int) -> list[str]:
        """The first questions of the first conversations, each once."""
        firsts = (next((m["content"] for m in e.get("messages", []) if m["role"] == "user"), "") for e in examples)
        return list(dict.fromkeys(text for text in firsts if text.strip()))[:count]

    def make_work(self, recipe: Recipe, base_path: Path, splits: Splits) -> Work:
        from studio.training.causal_lm import prepare_causal_lm

        return prepare_causal_lm(recipe, base_path, splits)

    def evaluate(self, job: TrainJob, result: TrainResult) -> dict[str, Any]:
        from studio.evaluation.report import evaluate_causal_lm

        return evaluate_causal_lm(job, result)


def _has_both_sides(messages: Sequence[Message]) -> bool:
    """Somebody says something, and the assistant answers after it."""
    asked = False
    for message in messages:
        if not message["content"].strip():
            continue
        if message["role"] == "user":
            asked = True
        elif message["role"] == "assistant" and asked:
            return True
    return False
