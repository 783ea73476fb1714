"""Fill in what nobody chose: every open value of a recipe from the data, the base and the machine, with its reason.

A value the person set is never changed. The constants are in :mod:`studio.models.practice`.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import Any

from studio.core.hardware import Hardware
from studio.core.options import describe
from studio.core.recipe import MethodOptions, Preset, Recipe, TrainingOptions
from studio.models import practice
from studio.models.check import check
from studio.models.estimate import effective_batch, memory_gib, planned_steps, verdict_for
from studio.models.types import BaseCard, DataFacts, Verdict

__all__ = [
    "PRESETS", "PRESET_FIELDS", "DataFacts", "check", "presets", "quick_verdict", "resolve", "shown",
    "suggested_epochs", "suggested_rate",
]  # fmt: skip

PRESETS: tuple[Preset, ...] = ("quick", "balanced", "thorough")
PRESET_FIELDS = (
    "epochs", "learning_rate", "batch_size", "gradient_accumulation_steps", "max_length", "evaluation_interval",
    "logging_interval", "max_steps",
)  # fmt: skip
"""Training settings a preset decides; choosing one sets them back to "computed"."""
CHOSEN = "chosen by you"
USUAL = "the usual value"
_WORDS = {"full": "all weights", "lora": "LoRA", "qlora": "QLoRA", "head": "the last layer", "freeze": "partly frozen"}


def resolve(recipe: Recipe, card: BaseCard, facts: DataFacts, hardware: Hardware) -> Recipe:
    """A copy with every open value filled and ``reasons`` complete. What is set already stays, and so does its reason.

    ``dropout`` and ``max_steps`` may stay ``None`` (the base's own; no limit), ``sample_prompts`` is the task's.
    """
    draft = _Draft(recipe)
    method = draft.recipe.method
    draft.fill("training.precision", *practice.precision(hardware), open_value="auto")
    _fill_length(draft, card, facts)
    if method.kind is None:
        kind, why = _method(draft.recipe, card, facts, hardware)
        draft.fill("method.kind", kind, why)
    if method.kind in ("lora", "qlora"):
        draft.fill("method.alpha", min(1024, 2 * method.rank), "twice the adapter's size")
    else:
        draft.fill("method.alpha", min(1024, 2 * method.rank), "only used by an adapter")
    _fill_batch(draft, card, facts, hardware)
    _fill_steps(draft, card, facts)
    _fill_patience(draft, card, facts)
    return draft.finished()


def suggested_rate(recipe: Recipe, card: BaseCard, *, sorting: bool) -> float:
    """The learning rate this recipe gets when nobody chooses one; ``sorting`` when rows are sorted into labels."""
    rate = practice.rate(card.parameters, card.architecture, recipe.method.kind or "full", sorting=sorting)
    return _two_digits(rate * practice.PACES[recipe.training.preset].rate)


def suggested_epochs(recipe: Recipe, parameters: int, rows: int) -> int:
    """The passes this recipe gets when nobody chooses them; its batch is known by then."""
    return practice.epochs(rows, effective_batch(recipe.training), recipe.training.preset, parameters)


def presets(recipe: Recipe, card: BaseCard, facts: DataFacts, hardware: Hardware) -> dict[str, Recipe]:
    """What the recipe would be with each preset: all that a preset decides is computed anew, the rest is kept."""
    resolved: dict[str, Recipe] = {}
    for name in PRESETS:
        copy = recipe.model_copy(deep=True)
        copy.training.preset = name
        for field in PRESET_FIELDS:
            setattr(copy.training, field, _default(field))
            copy.reasons.pop(f"training.{field}", None)
        resolved[name] = resolve(copy, card, facts, hardware)
    return resolved


def quick_verdict(card: BaseCard, hardware: Hardware, task: str) -> Verdict:
    """Whether a base fits this machine with the suggested method and ordinary rows (500 of 200 tokens)."""
    facts = DataFacts(rows=500, lengths=(200,), labels=2 if card.architecture == "encoder" else 0)
    recipe = resolve(Recipe(task=task), card, facts, hardware)
    return verdict_for(_memory(recipe, card, facts, hardware), hardware.training_memory_gib)


class _Draft:
    """A recipe being filled, and why each value is what it is."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe.model_copy(deep=True)
        self.reasons: dict[str, str] = {}

    def fill(self, field: str, value: Any, why: str, *, open_value: Any = None) -> None:
        """Set ``field`` ("training.epochs") if it is open."""
        section, _, name = field.partition(".")
        owner = getattr(self.recipe, section)
        if getattr(owner, name) == open_value:
            setattr(owner, name, value)
            self.reasons[field] = f"{shown(value)}: {why}"

    def finished(self) -> Recipe:
        """Give the settings nobody computed a reason too."""
        earlier = self.recipe.reasons
        for section, kind in (("method", MethodOptions), ("training", TrainingOptions)):
            for info in describe(kind):
                field = f"{section}.{info.name}"
                if field in self.reasons:
                    continue
                value = getattr(getattr(self.recipe, section), info.name)
                self.reasons[field] = earlier.get(field) or (USUAL if value == info.default else CHOSEN)
        self.recipe.reasons = self.reasons
        return self.recipe


def _default(field: str) -> Any:
    return TrainingOptions.model_fields[field].get_default(call_default_factory=True)


def shown(value: Any) -> str:
    """A value as reasons and cautions write it."""
    if isinstance(value, float):
        if 1e-3 <= abs(value) < 1e6:
            return f"{value:g}"
        mantissa, _, exponent = f"{value:e}".partition("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _memory(recipe: Recipe, card: BaseCard, facts: DataFacts, hardware: Hardware) -> float:
    return memory_gib(card, recipe.method, recipe.training, facts, hardware)


# -- the longest row --------------------------------------------------------------------------------------------------


def _fill_length(draft: _Draft, card: BaseCard, facts: DataFacts) -> None:
    if not facts.lengths:
        draft.fill("training.max_length", min(512, card.context), "until your rows have been counted")
        return
    ordered = sorted(facts.lengths)
    common = ordered[min(len(ordered) - 1, math.ceil(0.99 * len(ordered)) - 1)]
    longest = ordered[-1]
    whole = longest <= practice.LENGTH_SLACK * common
    wanted = longest if whole else common
    # Until the base is here its tokenizer is not either, and the embedded one counts in its place.
    has = f"has {longest:,} tokens" if card.path else f"has about {longest:,} tokens"
    rounded = math.ceil(max(wanted, 8) / practice.LENGTH_STEP) * practice.LENGTH_STEP
    if rounded > card.context:
        draft.fill("training.max_length", card.context, f"all this base can read; your longest row {has}")
    elif whole:
        draft.fill("training.max_length", rounded, f"your longest row {has}")
    else:
        draft.fill("training.max_length", rounded, f"99 of 100 rows fit whole; the longest {has}")


# -- the method -------------------------------------------------------------------------------------------------------


def _method(recipe: Recipe, card: BaseCard, facts: DataFacts, hardware: Hardware) -> tuple[str, str]:
    size = _size(card.parameters)
    if card.architecture == "encoder":
        if _could_fit("full", recipe, card, facts, hardware):
            return "full", "an encoder learns labels best with all its weights, and they fit here"
        return "lora", "all weights of this encoder do not fit this machine; an adapter does"
    if card.parameters <= practice.TINY:
        return "full", f"this base is small ({size}), so all of it can learn quickly"
    if (
        hardware.device == "cuda"
        and find_spec("bitsandbytes")
        and not _could_fit("lora", recipe, card, facts, hardware)
    ):
        return "qlora", f"{size} fit this graphics card only in 4 bit"
    return "lora", f"the usual choice for {size}: little memory, and the base stays as it is"


def _could_fit(kind: Any, recipe: Recipe, card: BaseCard, facts: DataFacts, hardware: Hardware) -> bool:
    """Whether a method fits with the smallest batch and, for decoders, gradient checkpointing."""
    trial = recipe.model_copy(deep=True)
    trial.method.kind = kind
    trial.training.batch_size = 1
    trial.training.gradient_checkpointing = "on"
    return verdict_for(_memory(trial, card, facts, hardware), hardware.training_memory_gib) != "won't fit"


def _size(parameters: int) -> str:
    if parameters >= 1e9:
        return f"{parameters / 1e9:.1f} billion weights"
    return (
        f"{parameters / 1e6:.0f} million weights" if parameters >= 1e6 else f"{parameters / 1e3:.0f} thousand weights"
    )


# -- rows at once -----------------------------------------------------------------------------------------------------


def _fill_batch(draft: _Draft, card: BaseCard, facts: DataFacts, hardware: Hardware) -> None:
    """The batch rows call for; divided, then checkpointed, until it fits."""
    recipe = draft.recipe
    training = recipe.training
    wanted = practice.batch(facts.rows, sorting=facts.labels > 0)
    open_batch = training.batch_size is None
    splittable = open_batch and training.gradient_accumulation_steps == 1
    if open_batch and not splittable:
        wanted = max(1, wanted // training.gradient_accumulation_steps)
    attempts: list[Any] = (
        ["off", "on"] if training.gradient_checkpointing == "auto" else [training.gradient_checkpointing]
    )
    size, checkpointing, fits = wanted, attempts[-1], False
    for mode in attempts:
        smaller = training.batch_size or wanted
        while True:
            trial = recipe.model_copy(deep=True)
            trial.training.batch_size, trial.training.gradient_checkpointing = smaller, mode
            fits = verdict_for(_memory(trial, card, facts, hardware), hardware.training_memory_gib) == "fits"
            if fits or smaller == 1 or not splittable:
                break
            smaller //= 2
        size, checkpointing = smaller, mode
        if fits:
            break
    draft.fill(
        "training.batch_size", size, f"suits {facts.rows:,} rows" if size == wanted else "what memory allows here"
    )
    if splittable and size < wanted:
        training.gradient_accumulation_steps = math.ceil(wanted / size)
        draft.reasons["training.gradient_accumulation_steps"] = (
            f"{training.gradient_accumulation_steps}: so that each step still learns from about {wanted} rows"
        )
    why = "memory is short here" if checkpointing == "on" else "memory suffices without it"
    draft.fill("training.gradient_checkpointing", checkpointing, why, open_value="auto")


# -- steps ------------------------------------------------------------------------------------------------------------


def _fill_steps(draft: _Draft, card: BaseCard, facts: DataFacts) -> None:
    recipe = draft.recipe
    training, kind = recipe.training, recipe.method.kind or "full"
    each = effective_batch(training)
    if training.max_steps:
        count = max(0.01, round(training.max_steps * each / max(1, facts.rows), 2))
        draft.fill("training.epochs", min(1000.0, count), f"follows from {training.max_steps:,} steps")
    else:
        count = suggested_epochs(recipe, card.parameters, facts.rows)
        steps = math.ceil(max(1, facts.rows) / each) * count
        draft.fill("training.epochs", float(count), f"{steps:,} steps over {facts.rows:,} rows")
    rate = suggested_rate(recipe, card, sorting=facts.labels > 0)
    draft.fill("training.learning_rate", rate, f"suggested for {_WORDS[kind]} on {facts.rows:,} rows")
    steps = planned_steps(training, facts.rows)
    interval = max(1, round(steps / practice.CHECKS_PER_RUN))
    checks = max(1, steps // interval)
    draft.fill(
        "training.evaluation_interval", interval, f"about {checks} check{'' if checks == 1 else 's'} in this run"
    )
    points = max(1, math.ceil(steps / practice.POINTS_PER_CURVE))
    draft.fill("training.logging_interval", points, "draws a smooth curve without more points than a screen can show")


def _fill_patience(draft: _Draft, card: BaseCard, facts: DataFacts) -> None:
    """Never stop early where nothing is watched, or where there is next to nothing to save."""
    split, steps = draft.recipe.data.split, planned_steps(draft.recipe.training, facts.rows)
    if split.validation == 0 and not split.column:
        patience, why = 0, "no rows are held back to watch progress"
    elif card.parameters <= practice.TINY and steps <= practice.SHORT_RUN_STEPS:
        patience, why = 0, "so short a run is worth finishing; the best of its checks is kept all the same"
    else:
        patience, why = practice.PATIENCE, USUAL
    draft.fill("training.early_stopping_patience", patience, why)


def _two_digits(value: float) -> float:
    return float(f"{value:.1e}")
