"""A recipe is everything needed to repeat a run: data, task, base, method and hyperparameters, as one YAML file.

Fields left at ``None`` are computed from the data and the machine when the run is prepared
(:mod:`studio.models.suggest`); the resolved recipe in the run folder holds every value, and ``reasons`` says where each
came from.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from studio.core.errors import FieldProblem, RecipeError
from studio.core.options import Options, option, problems_of

RECIPE_VERSION = 1
"""The form of the file. It rises when an older studio could not read a recipe rightly any more."""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader, in C where PyYAML was built with it: the screens read a recipe often."""
MAX_DEPTH = 100
"""Levels of nesting in a recipe file; a real one has four."""
SplitName = Literal["train", "validation", "test"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "validation", "test")


class Source(Options):
    """One file (or Hub data set) the rows come from."""

    path: str
    sha256: str = ""
    split: SplitName | None = None


class AppliedFix(Options):
    """A fix the person accepted. Fixes apply in order; undoing one takes it out of the list."""

    check: str
    fix: str


class SplitOptions(Options):
    """How rows are divided. Shares need not add up to one: they are taken as proportions."""

    train: float = option(
        0.8, title="Rows to learn from", term="training split", help="The share of rows the model learns from.",
        ge=0.05, le=1, tier="simple", group="Split",
    )  # fmt: skip
    validation: float = option(
        0.1, title="Rows to watch progress with", term="validation split",
        help="Held back from learning and checked during the run; decides when to stop and which checkpoint is best.",
        ge=0, le=0.9, tier="simple", group="Split",
    )  # fmt: skip
    test: float = option(
        0.1, title="Rows for the final exam", term="test split",
        help="Never looked at until the end; the report card is computed on these.",
        ge=0, le=0.9, tier="simple", group="Split",
    )  # fmt: skip
    seed: int = option(
        42, title="Shuffle number", term="seed", help="The same number gives the same split.",
        ge=0, le=2**31 - 1, group="Split",
    )  # fmt: skip
    column: str | None = option(
        None, title="Column that names the split", help="A column of your own that says train, validation or test.",
        group="Split",
    )  # fmt: skip


class DataOptions(Options):
    """Where the rows come from, what the columns mean, and what was mended."""

    sources: list[Source] = Field(default_factory=list)
    first_row: Literal["names", "data"] | None = option(
        None, title="What the first row holds", term="header",
        help="For a CSV, TSV or Excel file: the names of the columns, or data like the rows under it. Found out when nobody says.",
        group="Data", labels={"names": "The names of the columns", "data": "A row of data"},
    )  # fmt: skip
    roles: dict[str, Any] = Field(default_factory=dict)
    system_prompt: str | None = option(
        None, title="Instruction before every conversation", term="system prompt",
        help="Put before each conversation that has none of its own. Leave empty for none.", tier="simple", group="Data",
    )  # fmt: skip
    fixes: list[AppliedFix] = Field(default_factory=list)
    split: SplitOptions = Field(default_factory=SplitOptions)
    fingerprint: str = ""


class BaseOptions(Options):
    """Which base model: an id of the catalogue, a Hub id or a local folder."""

    id: str = "seedling-7m"
    path: str | None = None
    revision: str | None = None


MethodKind = Literal["full", "lora", "qlora", "head", "freeze"]


class MethodOptions(Options):
    """What part of the base is changed."""

    kind: MethodKind | None = option(
        None, title="What is changed", term="method",
        help="All weights, a small adapter beside them, only the last layer, or all but the first layers.",
        tier="simple", group="Method",
        labels={
            "full": "All weights (full fine-tuning)",
            "lora": "A small adapter (LoRA)",
            "qlora": "A small adapter on a 4-bit base (QLoRA)",
            "head": "Only the last layer (head only)",
            "freeze": "All but the first layers (freeze)",
        },
    )  # fmt: skip
    rank: int = option(
        16, title="Adapter size", term="rank", help="How much the adapter can learn. Higher learns more and needs more memory.",
        ge=1, le=512, scale="log", group="Adapter",
    )  # fmt: skip
    alpha: int | None = option(
        None, title="Adapter strength", term="alpha", help="How strongly the adapter speaks; usually twice its size.",
        ge=1, le=1024, group="Adapter",
    )  # fmt: skip
    dropout: float = option(
        0.0, title="Adapter dropout", term="LoRA dropout",
        help="Randomly silences part of the adapter while it learns; 0.05 to 0.1 helps with few rows.",
        ge=0, le=0.9, group="Adapter",
    )  # fmt: skip
    target_modules: str = option(
        "all-linear", title="Where the adapter sits", term="target modules",
        help="“all-linear” for every linear layer, or layer names separated by commas (q_proj, v_proj).", group="Adapter",
    )  # fmt: skip
    freeze_layers: int = option(
        0, title="First layers kept as they are", term="frozen layers",
        help="Used by the method “all but the first layers”.", ge=0, le=1000, group="Method",
    )  # fmt: skip


Preset = Literal["quick", "balanced", "thorough", "custom"]


class TrainingOptions(Options):
    """The hyperparameters of a run. ``None`` means computed from data, base and machine."""

    preset: Preset = option(
        "balanced", title="How thorough", term="preset", help="Sets the values below from your data, base and machine.",
        tier="simple", labels={"quick": "Quick", "balanced": "Balanced", "thorough": "Thorough", "custom": "Custom"},
    )  # fmt: skip
    epochs: float | None = option(
        None, title="Times through your rows", term="epochs",
        help="How often the model sees every row. More learns more, until it learns by heart.",
        gt=0, le=1000, tier="simple", group="Steps",
    )  # fmt: skip
    learning_rate: float | None = option(
        None, title="How big each step is", term="learning rate",
        help="Too small learns slowly, too big forgets or breaks down.", gt=0, le=1, scale="log", tier="simple", group="Steps",
    )  # fmt: skip
    batch_size: int | None = option(
        None, title="Rows at once", term="batch size",
        help="Rows computed together. Fewer need less memory. Short rows are packed, so this is an average.",
        ge=1, le=4096, group="Steps",
    )  # fmt: skip
    gradient_accumulation_steps: int = option(
        1, title="Batches per step", term="gradient accumulation",
        help="Batches added up before the model changes once. Doubling this and halving rows at once learns the same with less memory.",
        ge=1, le=4096, group="Steps",
    )  # fmt: skip
    max_length: int | None = option(
        None, title="Longest row", term="max length", unit="tokens",
        help="Longer rows are cut at this many tokens (a token is about three quarters of a word).",
        ge=8, le=1_048_576, scale="log", group="Steps",
    )  # fmt: skip
    schedule: Literal["cosine", "linear", "constant", "warmup_stable_decay"] = option(
        "cosine", title="How the step size changes", term="learning-rate schedule",
        help="Cosine and linear shrink the steps towards the end, which settles the result.", group="Steps",
        labels={"cosine": "Cosine", "linear": "Linear", "constant": "Constant", "warmup_stable_decay": "Warm-up, stable, decay"},
    )  # fmt: skip
    warmup_ratio: float = option(
        0.05, title="Share of the run spent warming up", term="warm-up", help="Steps grow from zero during this share of the run.",
        ge=0, le=0.9, group="Steps",
    )  # fmt: skip
    weight_decay: float = option(
        0.0, title="Pull towards small weights", term="weight decay", help="A little (0.01) can help against learning by heart.",
        ge=0, le=1, group="Regularisation",
    )  # fmt: skip
    dropout: float | None = option(
        None, title="Dropout in the base", term="dropout", help="Randomly silences parts of the base while it learns. Empty keeps the base's own.",
        ge=0, le=0.9, group="Regularisation",
    )  # fmt: skip
    label_smoothing: float = option(
        0.0, title="Doubt about labels", term="label smoothing", help="Above 0 the model is never taught to be fully certain; helps with noisy labels.",
        ge=0, le=0.5, group="Regularisation",
    )  # fmt: skip
    max_gradient_norm: float = option(
        1.0, title="Largest change in one step", term="gradient clipping", help="Steps larger than this are scaled down. 0 turns it off.",
        ge=0, le=1000, group="Regularisation",
    )  # fmt: skip
    early_stopping_patience: int | None = option(
        None, title="Checks without progress before stopping", term="early-stopping patience",
        help="The run stops when the validation loss has not improved for this many checks; about ten are made in a run. 0 never stops early. Empty suits it to the run.",
        ge=0, le=1000, group="Evaluation",
    )  # fmt: skip
    evaluation_interval: int | None = option(
        None, title="Steps between checks", term="evaluation interval", unit="steps",
        help="How often the validation rows are checked and a checkpoint is kept. Empty gives about ten checks a run.",
        ge=1, le=10_000_000, group="Evaluation",
    )  # fmt: skip
    logging_interval: int | None = option(
        None, title="Steps between points on the curve", term="logging interval", unit="steps",
        help="Empty draws at most about 500 points.", ge=1, le=1_000_000, group="Evaluation",
    )  # fmt: skip
    sample_prompts: list[str] = option(
        None, title="Prompts to answer along the way", term="sample prompts", default_factory=list,
        help="Answered at every check. Empty takes three from the validation rows.", group="Evaluation",
    )  # fmt: skip
    precision: Literal["auto", "float32", "bf16", "fp16"] = option(
        "auto", title="Number format", term="precision", help="Auto takes bf16 where the machine computes it fast.", group="Memory",
        labels={"auto": "Auto", "float32": "32-bit (float32)", "bf16": "16-bit (bf16)", "fp16": "16-bit (fp16)"},
    )  # fmt: skip
    gradient_checkpointing: Literal["auto", "on", "off"] = option(
        "auto", title="Trade time for memory", term="gradient checkpointing",
        help="Computes parts twice to save memory. Auto turns it on only when memory is short.", group="Memory",
        labels={"auto": "Auto", "on": "On", "off": "Off"},
    )  # fmt: skip
    optimizer: Literal["adamw", "adafactor"] = option(
        "adamw", title="Optimiser", term="optimizer", help="AdamW is the standard; Adafactor needs less memory.", group="Memory",
        labels={"adamw": "AdamW", "adafactor": "Adafactor"},
    )  # fmt: skip
    seed: int = option(
        42,
        title="Run number",
        term="seed",
        help="The same number repeats the same run.",
        ge=0,
        le=2**31 - 1,
        group="Steps",
    )
    max_steps: int | None = option(
        None, title="Stop after this many steps", term="max steps", unit="steps", help="Overrides the times through your rows.",
        ge=1, le=100_000_000, group="Steps",
    )  # fmt: skip
    keep_checkpoints: int = option(
        2,
        title="Checkpoints kept",
        help="The newest ones; the best one is always kept.",
        ge=1,
        le=100,
        group="Evaluation",
    )


class Recipe(Options):
    """Data + task + base + method + hyperparameters."""

    version: int = Field(default=RECIPE_VERSION, ge=1, le=RECIPE_VERSION)
    name: str = Field(default="run", min_length=1, max_length=80)
    task: str = "chat"
    data: DataOptions = Field(default_factory=DataOptions)
    base: BaseOptions = Field(default_factory=BaseOptions)
    method: MethodOptions = Field(default_factory=MethodOptions)
    training: TrainingOptions = Field(default_factory=TrainingOptions)
    task_options: dict[str, Any] = Field(default_factory=dict)
    reasons: dict[str, str] = Field(default_factory=dict, description="dotted field -> why it has this value")

    @model_validator(mode="before")
    @classmethod
    def _absent_sections(cls, data: Any) -> Any:
        """``data:`` with nothing under it reads as ``None`` in YAML and means the defaults."""
        return {k: v for k, v in data.items() if v is not None} if isinstance(data, dict) else data

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)

    def save(self, path: Path) -> None:
        """Write atomically."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
        temporary.write_text(self.to_yaml(), encoding="utf-8")
        temporary.replace(path)

    @classmethod
    def from_dict(cls, values: Any) -> Recipe:
        """
        Raises:
            RecipeError: with every problem, each at its dotted field.
        """
        if not isinstance(values, dict):
            raise RecipeError([FieldProblem("recipe", "This is not a recipe: a mapping of settings is expected.")])
        version = values.get("version")
        if isinstance(version, int) and version > RECIPE_VERSION:  # all else it may say differently, too
            raise RecipeError(
                [
                    FieldProblem(
                        "version",
                        f"This recipe was written by a newer studio (form {version}; this one reads up to {RECIPE_VERSION}). "
                        "Update Tailor Studio.",
                    )
                ]
            )
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise RecipeError(problems_of(error, cls)) from None

    @classmethod
    def from_yaml(cls, text: str) -> Recipe:
        """
        Raises:
            RecipeError: the text is not YAML, or settings are wrong.
        """
        _refuse_nesting(text)
        try:
            values = yaml.load(text, Loader=_LOADER)  # noqa: S506  a safe loader
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f" at line {mark.line + 1}" if mark else ""
            raise RecipeError([FieldProblem("recipe", f"This is not readable YAML{where}.")]) from None
        return cls.from_dict(values)

    @classmethod
    def load(cls, path: Path) -> Recipe:
        """
        Raises:
            RecipeError: the file is missing, not text, not YAML, or has wrong settings.
        """
        try:
            return cls.from_yaml(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RecipeError([FieldProblem("recipe", f"There is no file {path}.")]) from None
        except (OSError, UnicodeDecodeError):
            raise RecipeError([FieldProblem("recipe", f"{path} cannot be read as text.")]) from None

    def fingerprint(self) -> str:
        """Twelve hex digits over all that decides the result (names and reasons left out)."""
        content = self.model_dump(mode="json", exclude={"name", "reasons"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _refuse_nesting(text: str) -> None:
    """The C reader goes down a level of the stack with each level of the text, until the whole process falls.

    Raises:
        RecipeError: the text is nested deeper than any recipe.
    """
    # Each level takes a bracket, a dash, a question mark or one more blank at the beginning of a line.
    marks = sum(text.count(mark) for mark in ("[", "{", "- ", "-\t", "? ", "?\t"))
    if marks < MAX_DEPTH and "\n" + " " * (MAX_DEPTH - marks) not in text:
        return
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > MAX_DEPTH:
                raise RecipeError([FieldProblem("recipe", "This is not a recipe: it is nested too deeply.")])
    except yaml.YAMLError:
        return  # told by who reads it


SECTIONS: dict[str, type[Options]] = {
    "method": MethodOptions,
    "training": TrainingOptions,
    "data": DataOptions,
    "data.split": SplitOptions,
}
"""The groups of settings a form or a command line shows, by their dotted place in the recipe."""
