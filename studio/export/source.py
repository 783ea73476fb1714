"""What an export starts from: a finished run's folder, read once. Imports no torch."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from studio.core.errors import ExportError, ModelError, StudioError
from studio.core.recipe import SPLIT_NAMES, Recipe
from studio.core.workspace import Workspace
from studio.data.types import Example, Message
from studio.models import catalogue, folder, weights
from studio.models.fetch import is_hub_id
from studio.models.types import BaseCard
from studio.tasks import base as tasks
from studio.tasks.base import Task

EXACT_PARAMETERS = 500_000_000
"""Bases up to this size are merged in float32, so that the merged model answers exactly as the app does."""
_TRAIN_AGAIN = "Open the run and train it to the end, or choose another run."


@dataclass(frozen=True)
class Source:
    """A run with a model in it. ``tailor`` is the model's own note of how it came about (model/tailor.json)."""

    run_dir: Path
    recipe: Recipe
    tailor: dict[str, Any]
    base_path: Path

    @classmethod
    def open(cls, run_dir: Path) -> Source:
        """
        Raises:
            ExportError: the run has no model yet, or the base it stands on is gone.
            RecipeError: the recipe cannot be read.
        """
        model_dir = run_dir / "model"
        if not list(model_dir.glob("*.safetensors")):
            raise ExportError("There is no model yet", "This run has not kept any weights.", _TRAIN_AGAIN)
        recipe = Recipe.load(run_dir / "recipe.yaml")
        try:
            tailor = json.loads((model_dir / "tailor.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise ExportError(
                "The model cannot be read", "Its note of how it came about (tailor.json) is missing.", _TRAIN_AGAIN
            ) from None
        return cls(run_dir, recipe, tailor, _base_path(run_dir, recipe, tailor))

    @property
    def model_dir(self) -> Path:
        return self.run_dir / "model"

    @property
    def task(self) -> Task:
        return tasks.get(self.recipe.task)

    @property
    def classifies(self) -> bool:
        return self.task.playground == "classify"

    @property
    def has_adapter(self) -> bool:
        return (self.model_dir / "adapter_config.json").is_file()

    @property
    def labels(self) -> list[str]:
        return [str(label) for label in self.tailor.get("labels") or []]

    @cached_property
    def base(self) -> BaseCard:
        """The base as the catalogue knows it, else as its folder says."""
        wanted = self.recipe.base.id
        for card in catalogue.catalogue():
            if wanted in (card.id, card.hub_id):
                return card
        return folder.inspect_folder(self.base_path)

    @property
    def hub_id(self) -> str | None:
        """Where anybody can get the base, or None when it is only here."""
        if self.base.embedded:
            return None
        return self.base.hub_id or (self.recipe.base.id if is_hub_id(self.recipe.base.id) else None)

    @cached_property
    def dtype(self) -> str:
        """What a merged model is written in: "float32" for small bases, else what the base is published in."""
        infos = weights.tensors(self.base_path if self.has_adapter else self.model_dir).values()
        widest = next((kind for kind in ("F32", "F16", "BF16") if any(i.dtype == kind for i in infos)), "F32")
        if self.has_adapter and sum(i.elements for i in infos) <= EXACT_PARAMETERS:
            return "float32"
        return {"BF16": "bfloat16", "F16": "float16"}.get(widest, "float32")

    def report(self) -> dict[str, Any] | None:
        try:
            value = json.loads((self.run_dir / "report.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None

    def events(self) -> Iterator[dict[str, Any]]:
        """The run's events, one at a time; lines that are not events are passed over."""
        try:
            file = (self.run_dir / "events.jsonl").open(encoding="utf-8")
        except OSError:
            return
        with file:
            for line in file:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue
                if isinstance(event, dict):
                    yield event

    def examples(self, count: int = 200) -> list[Example]:
        """The first held-back rows: of the test split, else of the validation split, else of the training split."""
        for name in reversed(SPLIT_NAMES):
            path = self.run_dir / "data" / f"{name}.jsonl"
            if not path.is_file():
                continue
            with path.open(encoding="utf-8") as file:
                rows = [json.loads(line) for _, line in zip(range(count), file, strict=False) if line.strip()]
            if rows:
                return rows
        return []

    def inputs(self, count: int = 3) -> list[str]:
        """What both models are asked; a few words of our own when the rows are gone."""
        found = self.task.prompts(self.examples(), count)
        return found or ["What can you help me with?", "Good morning.", "Tell me more."][:count]

    def messages(self, text: str) -> list[Message]:
        """A question with the recipe's system prompt before it."""
        prompt = (self.recipe.data.system_prompt or "").strip()
        system: list[Message] = [{"role": "system", "content": prompt}] if prompt else []
        return [*system, {"role": "user", "content": text}]

    @cached_property
    def splits(self) -> dict[str, dict[str, Any]]:
        """Split → {"rows", "sha256"} of the rows the run used."""
        found: dict[str, dict[str, Any]] = {}
        for name in SPLIT_NAMES:
            path = self.run_dir / "data" / f"{name}.jsonl"
            if path.is_file():
                found[name] = _fingerprint(path)
        return found

    def portable_recipe(self) -> Recipe:
        """The recipe without this machine's folders: file names stay, so that it runs beside the same files."""
        recipe = self.recipe.model_copy(deep=True)
        recipe.base.path = None
        if Path(recipe.base.id).is_absolute():
            recipe.base.id = Path(recipe.base.id).name
        for source in recipe.data.sources:
            if not source.path.startswith("hub:"):
                source.path = re.split(r"[/\\]", source.path)[-1]
        return recipe


def _base_path(run_dir: Path, recipe: Recipe, tailor: dict[str, Any]) -> Path:
    for place in (tailor.get("base_path"), recipe.base.path):
        if place and (Path(place) / "config.json").is_file():
            return Path(place)
    try:
        return catalogue.folder_of(recipe.base.id, Workspace.around(run_dir))
    except ModelError as error:
        raise ExportError(error.title, error.what_happened, error.what_to_do, code=error.code) from None


def _fingerprint(path: Path) -> dict[str, Any]:
    digest, rows = hashlib.sha256(), 0
    with path.open("rb") as file:
        for line in file:
            digest.update(line)
            rows += bool(line.strip())
    return {"rows": rows, "sha256": digest.hexdigest()}


def base_title(source: Source) -> str:
    """The base's name for people; never a folder."""
    try:
        return source.base.title
    except StudioError:
        return Path(source.recipe.base.id).name
