"""The split as one bar in three parts with two handles. No UI toolkit here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from studio.core.options import describe
from studio.core.recipe import SplitOptions
from studio.ui.views.html import Safe, join, plural, tag

PARTS = {"train": "to learn from", "validation": "to watch progress with", "test": "for the final exam"}


def percentages(shares: Mapping[str, float]) -> dict[str, int]:
    """Proportions as whole percentages that add up to 100."""
    names = ("train", "validation", "test")
    total = sum(max(0.0, shares.get(name, 0.0)) for name in names)
    if not total:
        return {"train": 100, "validation": 0, "test": 0}
    exact = {name: 100 * max(0.0, shares.get(name, 0.0)) / total for name in names}
    whole = {name: int(exact[name]) for name in names}
    for name in sorted(names, key=lambda n: whole[n] - exact[n])[: 100 - sum(whole.values())]:
        whole[name] += 1
    return whole


def clamped(train: int, validation: int) -> tuple[int, int]:
    """Where the two handles may stand, in percent: no part is smaller or larger than its setting allows."""
    least, most = _bounds()
    first = min(max(train, least), 100)
    return first, min(max(validation, first, 100 - most), 100, first + most)


def _bounds() -> tuple[int, int]:
    """The least share that is learned from, and the most that one of the other parts takes, in percent."""
    known = {info.name: info for info in describe(SplitOptions)}
    most = min(known[name].maximum or 1 for name in ("validation", "test"))
    return round(100 * (known["train"].minimum or 0)), round(100 * most)


def split_bar(
    shares: Mapping[str, float],
    sizes: Mapping[str, int],
    notes: Sequence[str] = (),
    can_change: bool = True,
    stamp: str = "",
) -> Safe:
    """One bar in three parts with two handles; the handles are native sliders, so that keys work.

    Args:
        stamp: Tells this bar from one that was the same, so that what was dragged meanwhile is put back.
    """
    percent = percentages(shares)
    least, most = _bounds()
    first, second = percent["train"], percent["train"] + percent["validation"]
    parts, legend = [], []
    for name, words in PARTS.items():
        share = tag("strong", f"{percent[name]} %", class_="ts-percent")
        size = tag("span", plural(sizes.get(name, 0), "row"), class_="ts-count")
        parts.append(tag("div", class_=f"ts-part ts-part-{name}", style=f"width:{percent[name]}%"))
        told = tag("span", words, " ", tag("small", name))
        legend.append(
            tag("li", tag("span", class_=f"ts-swatch ts-part-{name}"), share, told, size, class_=f"ts-told-{name}")
        )
    sliders = [
        tag("input", type="range", min="0", max="100", step="1", value=first, data_handle="train", disabled=not can_change,
            aria_label="End of the rows to learn from, percent"),
        tag("input", type="range", min="0", max="100", step="1", value=second, data_handle="validation",
            disabled=not can_change, aria_label="End of the rows to watch progress with, percent"),
    ]  # fmt: skip
    return tag(
        "div",
        tag(
            "div",
            tag("div", join(*parts), class_="ts-parts"),
            tag("div", join(*sliders), class_="ts-handles"),
            class_="ts-split-bar",
            data_least=least,
            data_most=most,
        ),
        tag("ul", join(*legend), class_="ts-split-legend"),
        tag("ul", join(*(tag("li", note) for note in notes)), class_="ts-notes") if notes else None,
        class_="ts-split",
        data_stamp=stamp or None,
    )
