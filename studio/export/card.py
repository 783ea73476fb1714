"""The model card: what this model is, what went into it, what it can do and what not. Markdown with a YAML head that
the Hub reads. Imports no torch.

Names and texts come from the person's files: everything is escaped before it stands in Markdown.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from studio.core.options import OptionInfo, describe
from studio.core.recipe import SECTIONS
from studio.export.scripts import environment
from studio.export.source import Source, base_title
from studio.models.fetch import is_hub_id
from studio.models.weights import weights_hash
from studio.tasks.base import ExportKind

_HUB_LICENCES = {
    "apache-2.0", "mit", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-sa-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "cc0-1.0",
    "bsd-3-clause", "openrail", "bigscience-openrail-m", "openrail++", "gemma", "llama2", "llama3", "llama3.1",
    "llama3.2", "llama3.3", "gpl-3.0", "unlicense",
}  # fmt: skip
"""Licence ids the Hub knows; any other is "other" with its name beside it."""
_CURVE_ROWS = 10
_SPECIAL = re.compile(r"([\\`*_{}\[\]#|!~$])")


def model_card(source: Source, kind: ExportKind, contents: Sequence[tuple[str, str]]) -> str:
    """
    Args:
        contents: (file or folder, what it is) for the list of what the zip holds.
    """
    report = source.report()
    parts = [
        "---\n" + yaml.safe_dump(front_matter(source, kind), sort_keys=False, allow_unicode=True) + "---",
        f"# {plain(source.recipe.name)}",
        _what_it_is(source, kind),
        "## What is in here\n\n" + "\n".join(f"- `{name}`: {words}" for name, words in contents),
        "## How to use it\n\n" + _usage(source, kind),
        "## How good it is\n\n" + _measured(report),
        "## What it learned from\n\n" + _data(source),
        "## How it was trained\n\n" + _recipe(source) + "\n\n" + _curve(source),
        "## Limits\n\n" + _limits(source, report),
        "## Licences\n\n" + _licences(source),
        "## Made with\n\n" + ", ".join(f"{name} {number}" for name, number in environment().items()) + ".",
    ]
    return "\n\n".join(parts) + "\n"


def front_matter(source: Source, kind: ExportKind) -> dict[str, Any]:
    """The head the Hub reads: licence, base model, library, pipeline and tags."""
    licence = hub_licence(source.base.licence)
    head: dict[str, Any] = {"license": licence}
    if licence == "other":
        head["license_name"] = re.sub(r"[^a-z0-9.]+", "-", source.base.licence.lower()).strip("-") or "not-stated"
    base = source.hub_id or source.base.id
    if is_hub_id(base) or source.base.embedded:
        head["base_model"] = base
        head["base_model_relation"] = "adapter" if kind == "adapter" else "finetune"
    head["library_name"] = "peft" if kind == "adapter" else "transformers"
    head["pipeline_tag"] = "text-classification" if source.classifies else "text-generation"
    head["tags"] = ["tailor-studio", str(source.recipe.method.kind or "full")]
    if not source.classifies:
        head["tags"].append("conversational")
    return head


def hub_licence(licence: str) -> str:
    """``"Apache-2.0"`` → ``"apache-2.0"``; ``"Llama 3.2 Community License"`` → ``"llama3.2"``; unknown → ``"other"``."""
    text = licence.strip().lower()
    family = re.match(r"(llama|gemma)\s*([\d.]*)", text)
    candidate = f"{family[1]}{family[2]}" if family and family[1] == "llama" else family[1] if family else text
    return candidate if candidate in _HUB_LICENCES else "other"


def plain(text: Any, longest: int = 200) -> str:
    """Somebody's text on one line of Markdown, with nothing in it that Markdown or HTML would act on."""
    line = " ".join(str(text).split())
    line = line if len(line) <= longest else line[: longest - 1] + "…"
    return html.escape(_SPECIAL.sub(r"\\\1", line), quote=False)


def _what_it_is(source: Source, kind: ExportKind) -> str:
    base = plain(base_title(source))
    where = f"[{base}](https://huggingface.co/{source.hub_id})" if source.hub_id else base
    purpose = (
        f"It gives a text one of {len(source.labels)} labels: {', '.join(plain(label, 60) for label in source.labels[:50])}."
        if source.classifies
        else "It answers in the manner of the conversations it learned from."
    )
    form = {
        "adapter": "This is a small adapter; it works together with its base.",
        "merged": "This is the whole model, ready to load.",
        "bundle": "This is everything that belongs to the run.",
    }[kind]
    checked = (
        "Before this file was offered it was unpacked, loaded with plain Transformers and compared with the model in "
        f"the studio on three held-back inputs, both computing in {source.dtype}. "
    )
    if kind != "adapter" and source.has_adapter and source.dtype != "float32":
        checked += f"The merged weights are rounded to {source.dtype}, so that " + (
            "a probability may differ by up to 0.05; the labels were the same."
            if source.classifies
            else "single words of an answer may differ; the logits were compared within 5 % of the largest."
        )
    else:
        checked += "The answers were the same."
    if source.recipe.method.kind == "qlora":
        checked += " It was trained on a 4-bit base; here, and in this comparison, the base is in its full precision."
    return f"{where}, tuned with Tailor Studio on the data described below. {purpose} {form}\n\n{checked}"


def _usage(source: Source, kind: ExportKind) -> str:
    needs = "torch transformers peft" if kind == "adapter" else "torch transformers"
    text = f"```\npip install {needs}\npython try_it.py\n```\n\n`try_it.py` is ten lines: read it to see how the model is loaded."
    if kind == "adapter" and not source.hub_id:
        text += " The base lies in `base/`, or is put there by you if it was too large to pack."
    system = (source.recipe.data.system_prompt or "").strip()
    if system and not source.classifies:
        text += f"\n\nIt was trained with this instruction before each conversation, and works best with it: “{plain(system, 1000)}”"
    return text


def _measured(report: dict[str, Any] | None) -> str:
    if not report or not report.get("metrics"):
        return plain((report or {}).get("verdict") or "It was not measured: no rows were held back for a test.", 1000)
    lines = [
        plain(report.get("verdict", ""), 1000),
        f"\nOn {report.get('rows', 0)} rows that training never saw, with 95 % intervals:\n",
        "| measure | base | tuned | better is |",
        "| --- | --- | --- | --- |",
    ]
    for entry in report["metrics"].values():
        better = "higher" if entry.get("higher_is_better") else "lower"
        lines.append(
            f"| {plain(entry.get('title', ''))} | {_interval(entry.get('base'))} | {_interval(entry.get('tuned'))} | {better} |"
        )
    lines += ["", *(f"- {plain(note, 1000)}" for note in report.get("notes") or [])]
    return "\n".join(lines).rstrip()


def _interval(side: dict[str, Any] | None) -> str:
    if not side or side.get("value") is None:
        return "not a number"
    value = f"{side['value']:.4g}"
    if side.get("low") is None or side.get("high") is None:
        return value
    return f"{value} ({side['low']:.4g} to {side['high']:.4g})"


def _data(source: Source) -> str:
    data = source.recipe.data
    lines = []
    for file in source.portable_recipe().data.sources:
        mark = f" (SHA-256 {file.sha256[:16]}…)" if file.sha256 else ""
        lines.append(f"- File: {plain(file.path)}{mark}")
    if data.fingerprint:
        lines.append(f"- Fingerprint of the table as it was read: `{data.fingerprint}`")
    for name, facts in source.splits.items():
        lines.append(f"- {name}: {facts['rows']:,} rows, SHA-256 `{facts['sha256'][:16]}…`")
    if data.fixes:
        fixes = ", ".join(f"{plain(fix.fix)} (for {plain(fix.check)})" for fix in data.fixes)
        lines.append(f"- Cleaning applied, in this order: {fixes}")
    else:
        lines.append("- Cleaning applied: none")
    return "\n".join(lines)


def _recipe(source: Source) -> str:
    """Every resolved setting with the reason it has this value."""
    lines = ["| setting | value | why |", "| --- | --- | --- |"]
    for section, values in (("method", source.recipe.method), ("training", source.recipe.training)):
        for info in describe(SECTIONS[section]):
            value = getattr(values, info.name)
            if value is None or (info.kind == "list" and not value) or _beside_the_point(info, source):
                continue
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            usual = "default" if value == info.default else "set in the recipe"
            reason = source.recipe.reasons.get(f"{section}.{info.name}") or usual
            lines.append(f"| {plain(info.term or info.title)} | {plain(shown)} | {plain(reason)} |")
    best = source.tailor.get("best_step")
    after = f"\n\nThe weights are those of step {best}, the best on the validation rows." if best else ""
    return "\n".join(lines) + after


def _beside_the_point(info: OptionInfo, source: Source) -> bool:
    """Settings of another method, and prompts, which may be anybody's words."""
    if info.group == "Adapter":
        return not source.has_adapter
    return info.name == "sample_prompts" or (info.name == "freeze_layers" and source.recipe.method.kind != "freeze")


def _curve(source: Source) -> str:
    """A few points of the training curve: each check of the validation rows, thinned."""
    points, last_loss = [], None
    for event in source.events():
        if event.get("kind") != "metric":
            continue
        last_loss = event.get("loss", last_loss)
        if event.get("validation_loss") is not None:
            points.append((event.get("step"), last_loss, event["validation_loss"]))
    if not points:
        return "No validation losses were recorded."
    step = max(1, -(-len(points) // _CURVE_ROWS))
    kept = [*points[:-1:step], points[-1]]
    rows = [f"| {at} | {_loss(training)} | {_loss(validation)} |" for at, training, validation in kept]
    return "\n".join(["| step | training loss | validation loss |", "| --- | --- | --- |", *rows])


def _loss(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, (int, float)) else ""


def _limits(source: Source, report: dict[str, Any] | None) -> str:
    rows = source.splits.get("train", {}).get("rows")
    lines = [
        f"- It learned from {rows:,} rows." if rows else "- How many rows it learned from is not recorded.",
        "- Away from texts like those it is unproven; read its answers before you rely on them.",
        "- What the base gets wrong, and its bias, may have stayed.",
    ]
    if source.base.parameters < 100_000_000 and not source.classifies:
        size = source.base.parameters / 1e6
        lines.append(f"- The base is very small ({size:.0f} million weights): it learns a tone, not facts.")
    if (report or {}).get("rows", 0) < 30:
        lines.append("- It was tested on fewer than 30 rows, or on none; the numbers above are rough.")
    return "\n".join(lines)


def _licences(source: Source) -> str:
    return (
        f"- Base model: {plain(base_title(source))}, licence {plain(source.base.licence)}, weights `{weights_hash(source.base_path)}`. "
        "A tuned model stays under the licence of its base.\n"
        "- Data: the studio does not know the licence of the data. Whoever shares this model answers for having the "
        "right to; a model can repeat rows it learned from."
    )


def file_name(source: Source, kind: ExportKind) -> str:
    """The zip's name without its ending, which is also the one folder inside it."""
    return f"{Path(source.run_dir).name}-{kind}"
