"""What the Export step says: purposes, sizes, what each needs, and whether it was checked. No UI toolkit here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from studio.core.recipe import Recipe
from studio.ui.views.html import Safe, join, tag

if TYPE_CHECKING:
    from studio.tasks.base import ExportKind


@dataclass(frozen=True)
class Purpose:
    """One thing a person may want the model for. ``kind`` is the export's name in the engine."""

    kind: ExportKind
    title: str
    sentence: str
    term: str
    needs: str


PURPOSES = (
    Purpose(
        "adapter", "Keep improving it", "Only what was learned, as a small file beside the base. Best for tuning on and for storing many.",
        "adapter", "Needs Python with transformers and peft, and the base model.",
    ),
    Purpose(
        "merged", "Run it anywhere with Transformers", "The whole tuned model in one folder: weights, tokenizer and chat template.",
        "merged", "Needs Python with transformers. Many other programs read it too.",
    ),
    Purpose(
        "bundle", "Give it to a colleague", "Everything in one file: the model, its card with the numbers, the recipe and a ten-line script to try it.",
        "bundle", "Needs Python with transformers to run it; nothing to read the card and the numbers.",
    ),
)  # fmt: skip
_WITH_BASE = replace(
    PURPOSES[0],
    sentence="What was learned, with the base it sits on, which is not on the Hub. Best for tuning on.",
    needs="Needs Python with transformers and peft.",
)
WITHOUT_ADAPTER = {
    "full": "This run changed all weights of the base, so there is no separate adapter. Take the merged model.",
    "head": "This run tuned the last layer of the base itself, so there is no separate adapter. Take the merged model.",
    "freeze": "This run changed layers of the base itself, so there is no separate adapter. Take the merged model.",
}


def why_not(purpose: Purpose, recipe: Recipe) -> str:
    """Why this run cannot be taken away like this, or nothing."""
    return WITHOUT_ADAPTER.get(recipe.method.kind or "", "") if purpose.kind == "adapter" else ""


def card(
    purpose: Purpose, state: dict[str, Any], reason: str = "", expected: int | None = None, *, with_base: bool = False
) -> Safe:  # fmt: skip
    """One purpose: what it is for, how large, what it needs, and how far it has come.

    Args:
        expected: About how many bytes the file will have, where that is known.
        with_base: The base lies in the file too (``studio.export.sizes.packs_base``).
    """
    if with_base and purpose.kind == "adapter":
        purpose = _WITH_BASE
    if reason:
        return tag("div", _head(purpose), tag("p", reason, class_="ts-export-not"), class_="ts-export ts-export-off")
    now = state.get("state", "none")
    size = state.get("size")
    if size:
        size_words = f"{_bytes(int(size))}, one zip file"
    elif expected:
        size_words = f"about {_bytes(expected)}"
    else:
        size_words = ""
    facts = [size_words] if size_words else []
    facts.append(purpose.needs)
    return tag(
        "div",
        _head(purpose),
        tag("p", purpose.sentence),
        tag("p", " · ".join(facts), class_="ts-hint"),
        _progress(state) if now == "working" else None,
        _ready(state) if now == "ready" else None,
        tag("p", tag("strong", "✕ Not made. "), str(state.get("message") or ""), class_="ts-export-failed", role="alert") if now == "failed" else None,
        class_=f"ts-export ts-export-{now}",
    )  # fmt: skip


def _head(purpose: Purpose) -> Safe:
    return tag("h3", purpose.title, tag("small", purpose.term))


def _progress(state: dict[str, Any]) -> Safe:
    share = max(0.0, min(1.0, float(state.get("progress") or 0)))
    return join(
        tag(
            "div", tag("div", class_="ts-bar-fill", style=f"width:{share * 100:.0f}%"), class_="ts-bar", role="progressbar",
            aria_label="Making the file", aria_valuemin=0, aria_valuemax=100, aria_valuenow=round(share * 100),
        ),
        tag("p", str(state.get("message") or "Working."), class_="ts-hint", role="status"),
    )  # fmt: skip


def _ready(state: dict[str, Any]) -> Safe:
    if state.get("checked"):
        return tag(
            "p", tag("span", "✓ checked against the app", class_="ts-checked"),
            f" {checked_how(state.get('parity') or {})}", class_="ts-export-ready", role="status",
        )  # fmt: skip
    return tag("p", str(state.get("message") or "Ready."), class_="ts-export-ready", role="status")


def checked_how(parity: dict[str, Any]) -> str:
    """What the check of an export has shown, and in which number format both models computed.

    Args:
        parity: As ``studio.export.parity.compare`` tells it; a bundle has one for each folder with a model.
    """
    compared = [one for one in (parity, *parity.values()) if isinstance(one, dict) and "identical" in one]
    different = [one for one in compared if not one["identical"]]
    if different:
        number_format = different[0].get("dtype")
        return (
            f"Reloaded from the file and asked the same, both computing in {number_format}. Its merged weights are rounded to "
            f"{number_format}, so single words of an answer may differ from the app's; the scores behind the words agree "
            "within 5 % of the largest."
        )
    if compared:
        number_format = compared[0].get("dtype")
        return f"Reloaded from the file; it answers as the model in the app does, both computing in {number_format}."
    return "Reloaded from the file; it answers as the model in the app does."


def _bytes(size: int) -> str:
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= limit:
            return f"{size / limit:.3g} {unit}"
    return f"{size} bytes"


def button_label(state: dict[str, Any]) -> str:
    """The verb on the button."""
    return {"none": "Make the file", "working": "Working…", "failed": "Try again", "ready": "Make it again"}.get(
        str(state.get("state", "none")), "Make the file"
    )
