"""The split as one bar in three parts with two handles. No UI toolkit here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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


def split_bar(
    shares: Mapping[str, float], sizes: Mapping[str, int], notes: Sequence[str] = (), can_change: bool = True
) -> Safe:
    """One bar in three parts with two handles; the handles are native sliders, so that keys work."""
    percent = percentages(shares)
    first, second = percent["train"], percent["train"] + percent["validation"]
    parts, legend = [], []
    for name, words in PARTS.items():
        size = tag("span", plural(sizes.get(name, 0), "row"), class_="ts-count")
        share = tag("strong", f"{percent[name]} %", class_="ts-percent")
        kind = f"ts-part ts-part-{name}"
        parts.append(tag("div", share, size, class_=kind, style=f"flex-grow:{max(percent[name], 1)}"))
        legend.append(tag("li", tag("span", class_=f"ts-swatch ts-part-{name}"), words, " ", tag("small", name)))
    sliders = [
        tag("input", type="range", min="5", max="100", step="1", value=first, data_handle="train", disabled=not can_change,
            aria_label="End of the rows to learn from, percent"),
        tag("input", type="range", min="5", max="100", step="1", value=second, data_handle="validation",
            disabled=not can_change, aria_label="End of the rows to watch progress with, percent"),
    ]  # fmt: skip
    return tag(
        "div",
        tag(
            "div",
            tag("div", join(*parts), class_="ts-parts"),
            tag("div", join(*sliders), class_="ts-handles"),
            class_="ts-split-bar",
        ),
        tag("ul", join(*legend), class_="ts-split-legend"),
        tag("ul", join(*(tag("li", note) for note in notes)), class_="ts-notes") if notes else None,
        class_="ts-split",
    )
