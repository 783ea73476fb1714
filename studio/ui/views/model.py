"""What the Model step says: cards, presets and the receipt. No UI toolkit here."""

from __future__ import annotations

from collections.abc import Sequence

from studio.core.errors import FieldProblem
from studio.core.recipe import Recipe
from studio.models.cautions import needed, speaks
from studio.models.types import BaseCard, Estimate, Verdict
from studio.ui.views.html import Safe, join, plural, tag
from studio.ui.views.quantities import duration, gigabytes, weights

VERDICT_WORDS: dict[Verdict, tuple[str, str]] = {
    "fits": ("good", "✓ fits"),
    "tight": ("caution", "△ tight"),
    "won't fit": ("stop", "✕ won't fit"),
}
KEPT = {
    "full": "the whole tuned model",
    "lora": "a small adapter",
    "qlora": "a small adapter",
    "head": "the last layer, tuned",
    "freeze": "the whole tuned model",
}

# -- cards ------------------------------------------------------------------------------------------------------------

Offer = tuple[BaseCard, Verdict, str]


def matching(offers: Sequence[Offer], words: str, fitting_only: bool = False) -> list[Offer]:
    """The offers that hold every word typed, in title, id, licence, family or sentence."""
    asked = words.lower().split()

    def holds(card: BaseCard) -> bool:
        text = f"{card.title} {card.id} {card.licence} {card.family} {card.good_for}".lower()
        return all(word in text for word in asked)

    return [o for o in offers if holds(o[0]) and not (fitting_only and o[1] == "won't fit")]


def cards(
    offers: Sequence[Offer], chosen: str, *, suggested: str = "", estimate: Estimate | None = None,
    local: set[str] | None = None, language: str = "", wrong: int = 0,
) -> Safe:  # fmt: skip
    """The bases as a group of radio cards.

    Args:
        local: The ids whose weights are on this machine.
        language: Of the rows; "" when it is not known.
        wrong: How many settings must be mended before the chosen base can be judged.
    """
    if not offers:
        return tag("p", "No base of the catalogue matches. Type a folder or a Hub id below.", class_="ts-nothing")
    made = [
        _card(
            card, verdict, reason, chosen, card.id == suggested, estimate, card.id in (local or set()), language, wrong
        )
        for card, verdict, reason in offers
    ]
    return tag("div", join(*made), class_="ts-cards", role="radiogroup", aria_label="Base model")


def _card(
    card: BaseCard, verdict: Verdict, reason: str, chosen: str, suggested: bool, estimate: Estimate | None, local: bool,
    language: str, wrong: int,
) -> Safe:  # fmt: skip
    picked = card.id == chosen
    mine = estimate if picked else None
    level, words = VERDICT_WORDS[mine.verdict if mine else verdict]
    facts = [words]
    if picked and wrong:
        level, facts = "stop", [mend_first(wrong)]
    elif mine:
        if mine.seconds is not None:
            facts.append(duration(mine.seconds))
        facts.append(gigabytes(mine.memory_gib))
    strange = _strange(card, language)
    marks = []
    if card.embedded:
        marks.append("comes with the studio")
    elif local:
        marks.append("on this machine")
    elif card.download_gib:
        marks.append(f"download {gigabytes(card.download_gib)}")
    if card.gated:
        marks.append("needs a login at the Hub")
    return tag(
        "button",
        tag("span", "Suggested", class_="ts-card-suggested") if suggested else None,
        tag("strong", card.title),
        tag("span", " · ".join([weights(card.parameters), card.licence]), class_="ts-card-facts"),
        tag("span", " · ".join(facts), class_=f"ts-verdict ts-{level}"),
        tag("span", card.good_for, class_="ts-card-good"),
        tag("span", f"△ {strange}", class_="ts-card-caution ts-caution") if strange else None,
        tag("span", reason, class_="ts-card-reason") if suggested and reason else None,
        tag("span", " · ".join(marks), class_="ts-card-marks") if marks else None,
        type="button",
        role="radio",
        aria_checked="true" if picked else "false",
        data_base=card.id,
        class_="ts-card ts-picked" if picked else "ts-card",
    )


def _strange(card: BaseCard, language: str) -> str:
    """The caution of :func:`studio.models.cautions.language_caution`, as short as a card needs it."""
    if speaks(card, language) is not False:
        return ""
    rows = f"your rows are in {needed(language)}."
    return f"English only; {rows}" if card.languages == ("English",) else f"Not named among its languages: {rows}"


# -- presets and receipt ----------------------------------------------------------------------------------------------


def preset_label(title: str, estimate: Estimate | None, measuring: bool) -> str:
    """A preset as a button of two lines that says what it costs: ``Quick``, ``1 pass · about 40 s``."""
    if estimate is None:
        return title
    parts = [passes(estimate)]
    if estimate.seconds is not None:
        parts.append(duration(estimate.seconds))
    elif measuring:
        parts.append("measuring…")
    return f"{title}\n{' · '.join(parts)}"


def passes(estimate: Estimate) -> str:
    number = round(estimate.passes, 1) if estimate.passes >= 1 else float(f"{estimate.passes:.2g}")
    return f"{number:g} {'pass' if number == 1 else 'passes'}"


def mend_first(wrong: int) -> str:
    return f"✕ mend {plural(wrong, 'setting')} first"


def time_words(estimate: Estimate, measuring: bool, why_not: str = "") -> str:
    if measuring:
        return "measuring…"
    if estimate.seconds is not None:
        return duration(estimate.seconds)
    return why_not or "not measured"


def receipt(
    estimate: Estimate | None, recipe: Recipe | None, *, measuring: bool = False, why_not: str = "",
    problems: Sequence[FieldProblem] = (), wrong: int = 0, marked: Sequence[str] = (), cautions: Sequence[FieldProblem] = (),
    far: Sequence[str] = (),
) -> Safe:  # fmt: skip
    """What the run will need and leave, and whether it fits.

    Args:
        problems: Those that stand at no field of the form; told here.
        wrong: How many settings must be mended before it can start.
        marked: Titles of the fields at which the other problems stand; some may be folded away.
        cautions: What to know before starting, though it may; those that stand at no field of the form.
        far: Titles of the fields at which the other cautions stand.
    """
    lines = [problem.message for problem in problems]
    if marked:
        lines.append(f"Marked above: {', '.join(marked)}.")
    told_here = tag("ul", join(*(tag("li", line) for line in lines)), class_="ts-receipt-problems") if lines else None
    if estimate is None or recipe is None:
        line = "Choose a base and the estimate appears here." if not problems else "One thing first:"
        return tag("section", tag("p", line), told_here, class_="ts-receipt", aria_label="What this run needs")
    level, words = ("stop", mend_first(wrong)) if wrong else VERDICT_WORDS[estimate.verdict]
    kept = KEPT.get(recipe.method.kind or "", "the tuned model")
    rows = [
        ("Memory", f"{gigabytes(estimate.memory_gib)} of {gigabytes(estimate.available_gib)}"),
        ("Time", time_words(estimate, measuring, why_not)),
        ("Disk", gigabytes(estimate.disk_gib)),
        ("Steps", f"{estimate.steps:,} in {passes(estimate)}"),
        ("Kept", kept),
    ]
    items = [tag("div", tag("dt", name), tag("dd", value)) for name, value in rows]
    verdict = tag("p", words, class_=f"ts-verdict ts-{level}")
    reasons = None
    if estimate.reasons:
        told = tag("ul", *(tag("li", reason) for reason in estimate.reasons))
        reasons = tag("details", tag("summary", "Where these come from"), told, class_="ts-receipt-reasons")
    heard = [caution.message for caution in cautions]
    if far and not wrong:
        heard.append(f"Far from what is suggested: {', '.join(far)}.")
    known = (
        tag("ul", join(*(tag("li", f"△ {line}") for line in heard)), class_="ts-receipt-cautions") if heard else None
    )
    return tag(
        "section", verdict, tag("dl", join(*items)), reasons, told_here, known,
        class_="ts-receipt", aria_label="What this run needs",
    )  # fmt: skip


def started_note() -> Safe:
    return tag(
        "p", "This run has been started, so its settings can no longer change. To try others, make a new run from this one.",
        class_="ts-hint",
    )  # fmt: skip
