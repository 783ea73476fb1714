"""The model card, put together from what the steps noted: sources, counts, curves and the comparison."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from studio.pretraining.settings import Settings
from studio.pretraining.trial import trial_sentence
from studio.runs.events import read_events

CURVE_ROWS = 12
FRONT_MATTER = """---
license: cc-by-sa-4.0
language: en
library_name: transformers
pipeline_tag: text-generation
tags:
  - tiny
  - educational
---"""
LICENCE = """The weights are licensed under [CC BY-SA 4.0](https://creativecommons.org/licenses/by-sa/4.0/), because some of the
texts they were trained on are. A model tuned from this base is an adaptation of it: when you share one, share it under CC BY-SA 4.0
and name this page."""


def write_card(settings: Settings, work: Path, run: Path, base: Path) -> None:
    """Write ``base/README.md``. Words for a reader that no file holds (weaknesses) come from ``weaknesses.md`` beside it, if any."""
    (base / "README.md").write_text(card_text(settings, work, run, base), encoding="utf-8")


def card_text(settings: Settings, work: Path, run: Path, base: Path) -> str:
    facts, evaluation, tuning = (_json(base / f"{name}.json") for name in ("training", "evaluation", "tuning"))
    tokens, counts = _json(work / "tokens" / "tokens.json"), _json(work / "text" / "corpus.json")
    shape = settings.shape
    weaknesses = base / "weaknesses.md"
    parts = [
        FRONT_MATTER,
        f"# {base.name}",
        f"A language model with {facts.get('parameters', 0) / 1e6:.1f} million parameters, trained from scratch for Tailor Studio: "
        "small enough to load in a second and to be tuned in minutes on two processor cores. It is a practice base: made to learn "
        "a style from your examples, not to know things.",
        f"Stock `LlamaForCausalLM`: {shape.layers} layers, width {shape.hidden_size}, {shape.heads} heads "
        f"({shape.key_value_heads} for keys and values), byte-level BPE with {settings.tokenizer.vocabulary:,} entries, tied "
        f"embeddings, context {shape.context:,} (trained on windows of up to {_longest(settings)}), ChatML template "
        "with generation marks, bfloat16.",
        "## Training",
        f"It begins from {settings.begins_from.strip()} The figures below are those of what came after."
        if settings.begins_from
        else "",
        f"{facts.get('tokens', 0) / 1e6:.1f} million tokens in {facts.get('step', 0):,} steps, {facts.get('seconds', 0) / 3600:.1f} "
        "hours of wall-clock time on one or two threads of a shared processor. Muon for the matrices, AdamW for the rest, bfloat16 autocast; "
        "warm-up, stable, decay; then an instruction stage with loss on the answers only. The recipe is `studio/pretraining`.",
        curve_table(run / "events.jsonl"),
        "## Text",
        sources_table(settings, tokens, counts, facts.get("passes", {})),
        LICENCE,
        "The text is not shipped. Left out: Shakespeare and verse (archaic), the larger part of the classics (it would have made the "
        "model sound Victorian, and the budget of tokens does not reach it), paragraphs that repeat, markup, code, and a held-out part "
        "of each source, chosen by hash, that nothing was trained on.",
        "## Held-out loss",
        losses_table(evaluation),
        f"Compared with `{evaluation.get('other', '')}`, whose training text was drawn from the same sources without our held-out "
        "part being kept from it: its numbers are, if anything, flattered. Bits a byte can be compared across vocabularies. "
        "Answers to fifty everyday prompts, side by side, are in `answers.md`. The training text that was written for this project holds "
        "none of them and no close paraphrase; most of their subjects do occur there under other questions.",
        "## Tuned" if tuning else "",
        f"{trial_sentence(tuning)} Its answers to {len(tuning['answers'])} of these questions, before and after, are in `tuned_answers.md`."
        if tuning
        else "",
        "## Weaknesses",
        weaknesses.read_text(encoding="utf-8").strip()
        if weaknesses.is_file()
        else "It invents facts and loses the thread.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def sources_table(settings: Settings, tokens: dict[str, int], counts: dict[str, Any], passes: dict[str, float]) -> str:
    """Every source that some phase used, with licence and attribution."""
    lines = [
        "| source | licence | attribution | tokens (million) | times read in pre-training |",
        "| --- | --- | --- | ---: | ---: |",
    ]
    for name in settings.used_sources():
        source = settings.corpus.sources[name]
        read = f"{passes[name]:.2f}" if name in passes else "-"
        size = tokens.get(f"{name}/train", 0) / 1e6
        lines.append(f"| {source.title} | {source.licence} | {source.attribution} | {size:.2f} | {read} |")
    return "\n".join(lines)


def _longest(settings: Settings) -> int:
    phases = settings.pretraining.stable, settings.pretraining.decay
    return max(settings.instruction.max_length, *(phase.window for phase in phases))


def losses_table(evaluation: dict[str, Any]) -> str:
    losses = evaluation.get("losses")
    if not losses:
        return ""
    lines = [
        f"| source | {evaluation['base']}: nats a token | bits a byte | {evaluation['other']}: nats a token | bits a byte |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, mine in losses["base"].items():
        theirs = losses["other"][name]
        lines.append(
            f"| {name} | {mine['nats_per_token']:.3f} | {mine['bits_per_byte']:.3f} "
            f"| {theirs['nats_per_token']:.3f} | {theirs['bits_per_byte']:.3f} |"
        )
    return "\n".join(lines)


def curve_table(events_path: Path) -> str:
    """Held-out loss over the run, a few rows of it."""
    events, _ = read_events(events_path)
    found = [e for e in events if e.get("kind") == "metric" and e.get("validation_losses")]
    if not found:
        return ""
    every = max(1, -(-len(found) // CURVE_ROWS))
    chosen = [e for i, e in enumerate(found) if i % every == 0 or i == len(found) - 1]
    lines = ["| step | million tokens | held-out loss (nats a token, mixture) |", "| ---: | ---: | ---: |"]
    lines += [f"| {e['step']:,} | {e['tokens'] / 1e6:.2f} | {e['validation_loss']:.3f} |" for e in chosen]
    return "\n".join(lines)


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
