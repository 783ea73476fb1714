"""What the Compare step shows: turns side by side, votes, the report card, bars and matrices. No UI toolkit here.

Left or "base" is blue, right or "tuned" vermilion, everywhere; the words say it too. What models and people wrote is
escaped before it becomes markup.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import ValidationError

from studio.core.errors import RecipeError
from studio.core.options import Options, option, problems_of
from studio.ui.views.html import Safe, join, plural, tag

Side = Literal["base", "tuned"]
Vote = Literal["A", "B", "tie", "both_bad"]
SIDES: tuple[Side, Side] = ("base", "tuned")
TITLES: dict[str, str] = {"base": "Base", "tuned": "Tuned"}
PROMPTS = 20
"""Questions of the test rows that the prompt list asks."""


class AnswerOptions(Options):
    """How answers are drawn; the names are those of ``studio.inference.sampling.Sampling``."""

    temperature: float = option(
        0.7, title="How adventurous", term="temperature", help="0 always takes the likeliest word.", ge=0, le=2, group="Answers"
    )  # fmt: skip
    top_p: float = option(
        0.9, title="How many candidates", term="top-p", help="Only the likeliest words that make up this share are drawn from.",
        gt=0, le=1, group="Answers",
    )  # fmt: skip
    max_new_tokens: int = option(
        200, title="Longest answer", term="max tokens", unit="tokens", help="An answer is cut here.", ge=1, le=4096, group="Answers"
    )  # fmt: skip
    seed: int = option(
        42, title="Dice", term="seed", help="The same number gives the same answers; both panes use the same.",
        ge=0, le=2**31 - 1, group="Answers",
    )  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """One model's answer, with the words of the process that gave it: which weights spoke."""

    text: str = ""
    done: bool = False
    tokens: int | None = None
    seconds: float | None = None
    identity: str = ""


@dataclass(frozen=True)
class Turn:
    """One question and both answers. ``left`` is what stands on the left, known or (``hidden``) not."""

    user: str
    base: Answer = field(default_factory=Answer)
    tuned: Answer = field(default_factory=Answer)
    left: Side = "base"
    hidden: bool = False
    vote: Vote | None = None

    def answer(self, side: Side) -> Answer:
        return self.base if side == "base" else self.tuned

    @property
    def sides(self) -> tuple[Side, Side]:
        return ("base", "tuned") if self.left == "base" else ("tuned", "base")

    @property
    def answered(self) -> bool:
        return self.base.done and self.tuned.done


def new_turn(user: str, blind: bool, dice: random.Random | None = None) -> Turn:
    """A question to be asked; blind ones stand on random sides."""
    left: Side = (dice or random.SystemRandom()).choice(SIDES) if blind else "base"
    return Turn(user=user, left=left, hidden=blind)


def with_chunk(turn: Turn, chunk: dict[str, Any]) -> Turn:
    """The turn as it is after what the playground said: ``base`` and ``tuned`` hold the whole text so far."""
    answers = {}
    for side in SIDES:
        answers[side] = Answer(
            text=str(chunk.get(side) or ""),
            done=bool(chunk.get(f"{side}_done")),
            tokens=_of(chunk.get("tokens"), side),
            seconds=_of(chunk.get("seconds"), side),
            identity=str(chunk.get(f"{side}_identity") or ""),
        )
    return replace(turn, base=answers["base"], tuned=answers["tuned"])


def ended(turn: Turn) -> Turn:
    """The turn when the stream has ended, stopped or not."""
    return replace(turn, base=replace(turn.base, done=True), tuned=replace(turn.tuned, done=True))


def _of(value: Any, side: Side) -> Any:
    """A number for both sides, or one for each."""
    return value.get(side) if isinstance(value, dict) else value


def messages(turns: Sequence[Turn], side: Side, system: str | None) -> list[dict[str, str]]:
    """One model's own history: its own answers, not the other's."""
    said = (system or "").strip()
    made = [{"role": "system", "content": said}] if said else []
    for turn in turns:
        made.append({"role": "user", "content": turn.user})
        if turn.answer(side).text or turn.answered:
            made.append({"role": "assistant", "content": turn.answer(side).text})
    return made


def checked_sampling(values: dict[str, Any]) -> dict[str, Any]:
    """The settings of the answers as the playground wants them.

    Raises:
        RecipeError: one is out of its range.
    """
    try:
        return AnswerOptions.model_validate(values).model_dump()
    except ValidationError as error:
        raise RecipeError(problems_of(error, AnswerOptions)) from None


# -- the conversation -------------------------------------------------------------------------------------------------


def status_of(chunk: dict[str, Any]) -> str:
    """What the playground is busy with, or what it has to say of the question."""
    return str(chunk.get("status") or " ".join(chunk.get("notes") or []))


def conversation(turns: Sequence[Turn], blind: bool, status: str = "") -> Safe:
    """Both panes: a question across, the two answers below it at the same height."""
    hidden = blind if not turns else turns[-1].hidden
    heads = ("A", "B") if hidden else ("Base · before tuning", "Tuned · after tuning")
    classes = ("ts-blind", "ts-blind") if hidden else ("ts-base", "ts-tuned")
    head = tag(
        "div",
        *(tag("span", name, class_=style) for name, style in zip(heads, classes, strict=True)),
        class_="ts-chat-heads",
    )
    if not turns:
        empty = (
            "Ask something. Both answer without their names; vote, and then see which was which."
            if blind
            else "Ask something your rows are about. Both models answer at once, with the same dice."
        )
        return tag("div", head, tag("p", empty, class_="ts-nothing"), class_="ts-chat")
    busy = tag("p", status, class_="ts-hint", role="status") if status else None
    return tag("div", head, *(_turn(turn) for turn in turns), busy, class_="ts-chat")


def _turn(turn: Turn) -> Safe:
    unknown = turn.hidden and turn.vote is None
    shown = []
    for letter, side in zip("AB", turn.sides, strict=True):
        answer = turn.answer(side)
        name = letter if unknown else f"{letter} was {TITLES[side].lower()}" if turn.hidden else TITLES[side]
        shown.append(
            tag(
                "article",
                tag("span", name, class_="ts-answer-name" if turn.hidden else "ts-visually-hidden"),
                tag("div", answer.text or ("" if not answer.done else "(no answer)"), class_="ts-answer-text"),
                tag("span", "", class_="ts-caret", aria_hidden="true") if not answer.done else None,
                tag("div", facts(answer), class_="ts-answer-facts") if facts(answer) and not unknown else None,
                class_=f"ts-answer ts-{'blind' if unknown else side}",
                aria_label=name,
            )
        )
    return tag(
        "section",
        tag("div", tag("span", "You", class_="ts-visually-hidden"), turn.user, class_="ts-said"),
        tag("div", *shown, class_="ts-pair"),
        class_="ts-turn",
    )


def facts(answer: Answer) -> str:
    """``42 tokens · 1.3 s · adapter off · seedling-5m``."""
    parts = []
    if answer.tokens:
        parts.append(plural(answer.tokens, "token"))
    if answer.seconds:
        parts.append(f"{answer.seconds:.1f} s")
    if answer.identity:
        parts.append(answer.identity)
    return " · ".join(parts)


# -- votes ------------------------------------------------------------------------------------------------------------


def vote_record(turn: Turn, vote: Vote, sampling: dict[str, Any], time: float) -> dict[str, Any]:
    """One line of feedback.jsonl; ``winner`` is what the vote means once the names are known."""
    sides = dict(zip("AB", turn.sides, strict=True))
    return {
        "v": 1,
        "kind": "vote",
        "time": round(time, 3),
        "prompt": turn.user,
        "answers": {side: turn.answer(side).text for side in SIDES},
        "identities": {side: turn.answer(side).identity for side in SIDES},
        "sides": sides,
        "vote": vote,
        "winner": sides.get(vote, vote),
        "sampling": sampling,
    }


def tally(records: Iterable[dict[str, Any]]) -> dict[str, int]:
    counts = {"tuned": 0, "base": 0, "tie": 0, "both_bad": 0}
    for record in records:
        winner = record.get("winner")
        if record.get("kind") == "vote" and winner in counts:
            counts[winner] += 1
    return counts


def tally_line(counts: dict[str, int]) -> Safe:
    total = sum(counts.values())
    if not total:
        return Safe("")
    parts = [
        f"tuned {counts['tuned']}",
        f"base {counts['base']}",
        f"tie {counts['tie']}",
        f"both bad {counts['both_bad']}",
    ]
    return tag(
        "p", tag("strong", f"{plural(total, 'blind vote')}: "), " · ".join(parts), class_="ts-tally", role="status"
    )


# -- the report card --------------------------------------------------------------------------------------------------


def report_card(report: dict[str, Any] | None, counts: dict[str, int] | None = None) -> Safe:
    """Verdict, at most five lines with error bars, notes, and the numbers as a table."""
    head = tag("h3", "Report card")
    if not report:
        return tag("aside", head, tag("p", "This run has no report card.", class_="ts-nothing"), class_="ts-report")
    metrics = list((report.get("metrics") or {}).values())[:5]
    rows = report.get("rows") or 0
    lines = [_metric(metric) for metric in metrics]
    notes = report.get("notes") or []
    return tag(
        "aside",
        head,
        tag("p", report.get("verdict") or "", class_="ts-report-verdict"),
        tag("p", legend(), class_="ts-legend") if lines else None,
        *lines,
        tag("p", f"Measured on {plural(int(rows), 'row')} the model never learned from. Bars: 95 % intervals.", class_="ts-hint")
        if lines
        else None,
        tally_line(counts or {}),
        tag("details", tag("summary", "Notes"), tag("ul", *(tag("li", note) for note in notes)), class_="ts-more") if notes else None,
        tag("details", tag("summary", "Show the numbers as a table"), _table(metrics), class_="ts-more") if lines else None,
        class_="ts-report",
        aria_label="Report card",
    )  # fmt: skip


def legend() -> Safe:
    return join(tag("span", "● base", class_="ts-base"), "  ", tag("span", "● tuned", class_="ts-tuned"))


def _metric(metric: dict[str, Any]) -> Safe:
    base, tuned = metric.get("base") or {}, metric.get("tuned") or {}
    better = "higher is better" if metric.get("higher_is_better") else "lower is better"
    title = str(metric.get("title", ""))
    return tag(
        "div",
        tag("div", tag("span", title), tag("small", better), class_="ts-metric-title"),
        tag(
            "div",
            error_bars(base, tuned, title),
            tag("span", figure(base.get("value")), class_="ts-base"),
            tag("span", " → "),
            tag("strong", figure(tuned.get("value")), class_="ts-tuned"),
            class_="ts-metric-values",
        ),
        class_="ts-metric",
    )


def error_bars(base: dict[str, Any], tuned: dict[str, Any], title: str = "") -> Safe:
    """Two intervals on one scale, base above tuned, as a small SVG."""
    known = [entry for entry in (base, tuned) if isinstance(entry.get("value"), (int, float))]
    if not known:
        return Safe("")
    ends = [
        float(e.get(k) if isinstance(e.get(k), (int, float)) else e["value"])
        for e in known
        for k in ("low", "value", "high")
    ]
    low, high = min(ends), max(ends)
    low, high = (low - 0.5, high + 0.5) if high - low < 1e-9 else (low, high)
    width, pad = 120.0, 7.0

    def x(value: float) -> str:
        return f"{pad + (value - low) / (high - low) * (width - 2 * pad):.1f}"

    marks = []
    for row, (entry, style) in enumerate(((base, "ts-base"), (tuned, "ts-tuned"))):
        value = entry.get("value")
        if not isinstance(value, (int, float)):
            continue
        y = 8 + row * 12
        if isinstance(entry.get("low"), (int, float)) and isinstance(entry.get("high"), (int, float)):
            left, right = x(entry["low"]), x(entry["high"])
            marks.append(f'<path class="{style}" d="M{left} {y}H{right}M{left} {y - 3}v6M{right} {y - 3}v6"/>')
        marks.append(f'<circle class="{style}" cx="{x(value)}" cy="{y}" r="3.6"/>')
    said = f"{title}: base {figure(base.get('value'))}, tuned {figure(tuned.get('value'))}"
    return Safe(
        f'<svg class="ts-bars" viewBox="0 0 {width:.0f} 28" role="img" aria-label="{tag("i", said)[3:-4]}">{"".join(marks)}</svg>'
    )


def figure(value: Any) -> str:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _table(metrics: Sequence[dict[str, Any]]) -> Safe:
    rows = []
    for metric in metrics:
        cells = [tag("th", metric.get("title", ""), scope="row")]
        for side in SIDES:
            entry = metric.get(side) or {}
            cells.append(
                tag("td", f"{figure(entry.get('value'))} ({figure(entry.get('low'))} to {figure(entry.get('high'))})")
            )
        rows.append(tag("tr", *cells))
    head = tag("tr", tag("th", ""), *(tag("th", TITLES[side], scope="col", class_=f"ts-{side}") for side in SIDES))
    return tag(
        "div",
        tag("table", tag("thead", head), tag("tbody", *rows), class_="ts-table"),
        class_="ts-scroll",
        tabindex="0",
    )


# -- classification ---------------------------------------------------------------------------------------------------


def probabilities(result: dict[str, Any] | None, most: int = 8) -> Safe:
    """Both models' class probabilities as bars, the tuned one's likeliest first."""
    if not result or not result.get("labels"):
        return tag(
            "p", "Type a text and both models say which label it gets, and how sure they are.", class_="ts-nothing"
        )
    labels = [str(label) for label in result["labels"]]
    order = sorted(range(len(labels)), key=lambda i: -result["tuned"][i])[:most]
    panes = []
    for side in SIDES:
        values = result[side]
        best = max(range(len(labels)), key=lambda i: values[i])
        bars = [
            tag(
                "div",
                tag("span", labels[i], class_="ts-prob-label"),
                tag(
                    "span",
                    tag("span", "", style=f"width:{max(0.0, min(1.0, values[i])) * 100:.1f}%"),
                    class_="ts-prob-bar",
                    aria_hidden="true",
                ),
                tag("span", f"{values[i] * 100:.0f} %", class_="ts-prob-value"),
                class_="ts-prob ts-prob-best" if i == best else "ts-prob",
            )
            for i in order
        ]
        identity = result.get(f"{side}_identity") or (result.get("identity") or {}).get(side, "")
        panes.append(
            tag(
                "article", tag("h4", f"{TITLES[side]}: {labels[best]}"), *bars, tag("div", identity, class_="ts-answer-facts") if identity else None,
                class_=f"ts-answer ts-{side}",
            )
        )  # fmt: skip
    return tag("div", *panes, class_="ts-pair", role="status")


def confusion(report: dict[str, Any] | None) -> Safe:
    """Both confusion matrices as tables whose cells are shaded by their share of the row."""
    labels, matrices = (report or {}).get("labels") or [], (report or {}).get("confusion") or {}
    if not labels or not all(matrices.get(side) for side in SIDES):
        return Safe("")
    return tag(
        "div",
        *(_matrix(labels, matrices[side], side) for side in SIDES),
        class_="ts-matrices",
    )


def _matrix(labels: Sequence[str], counts: Sequence[Sequence[int]], side: Side) -> Safe:
    head = tag(
        "tr", tag("th", "true label ↓ · answered →", class_="ts-matrix-corner"),
        *(tag("th", tag("span", label), scope="col") for label in labels),
    )  # fmt: skip
    rows = []
    for r, row in enumerate(counts):
        total = sum(row) or 1
        cells = [
            tag("td", count or "·", class_="ts-diagonal" if r == c else None, style=f"--share:{count / total:.2f}")
            for c, count in enumerate(row)
        ]
        rows.append(tag("tr", tag("th", labels[r], scope="row"), *cells))
    right = sum(counts[i][i] for i in range(len(labels)))
    total = sum(sum(row) for row in counts)
    return tag(
        "figure",
        tag("figcaption", f"{TITLES[side]}: {right} of {total} right", class_=f"ts-{side}"),
        tag(
            "div",
            tag("table", tag("thead", head), tag("tbody", *rows), class_="ts-matrix"),
            class_="ts-scroll",
            tabindex="0",
        ),
        class_=f"ts-matrix-{side}",
    )


def likeliest(result: dict[str, Any]) -> dict[str, str]:
    """Both models' answers to one text in words: ``{"base": "billing (41 %)", "tuned": …}``."""
    said = {}
    for side in SIDES:
        best = max(range(len(result["labels"])), key=lambda i: result[side][i])
        said[side] = f"{result['labels'][best]} ({result[side][best] * 100:.0f} %)"
    return said


# -- prompt list ------------------------------------------------------------------------------------------------------

Row = dict[str, Any]
"""``prompt``, ``base``, ``tuned`` and, where known, ``expected``."""


def prompt_table(rows: Sequence[Row], total: int, note: str = "") -> Safe:
    """The prompt list with a progress line."""
    if not rows and not note:
        return tag("p", "The answers of both models appear here, one row a question.", class_="ts-nothing")
    progress = note or f"{len(rows)} of {total} answered."
    expected = any(row.get("expected") for row in rows)
    names = [("prompt", "Question", ""), ("base", "Base", "ts-base"), ("tuned", "Tuned", "ts-tuned")]
    if expected:
        names.append(("expected", "In your data", ""))
    head = tag("tr", *(tag("th", title, scope="col", class_=style or None) for _, title, style in names))
    body = [
        tag("tr", *(tag("td", tag("div", str(row.get(key) or "")[:1_000], class_="ts-cell")) for key, _, _ in names))
        for row in rows
    ]
    table = tag(
        "div",
        tag("table", tag("thead", head), tag("tbody", *body), class_="ts-answers"),
        class_="ts-scroll",
        tabindex="0",
    )
    return join(tag("p", progress, class_="ts-hint", role="status"), table if rows else None)


def expected(example: Any) -> str:
    """What the data itself answers: the label, or the last thing the assistant says."""
    if example.get("label"):
        return str(example["label"])
    said = [m["content"] for m in example.get("messages") or [] if m.get("role") == "assistant"]
    return str(said[0]) if said else ""


def csv_rows(rows: Sequence[Row]) -> list[list[str]]:
    """Header and rows for a CSV file that no spreadsheet program will take for formulas."""
    expected = any(row.get("expected") for row in rows)
    names = ["prompt", "base", "tuned", *(["expected"] if expected else [])]
    return [names, *([harmless(str(row.get(name) or "")) for name in names] for row in rows)]


def harmless(cell: str) -> str:
    """A cell that begins like a formula gets a ' in front (OWASP, "CSV Injection")."""
    return f"'{cell}" if cell.lstrip(" ")[:1] in {"=", "+", "-", "@", "\t", "\r", "\n"} else cell
