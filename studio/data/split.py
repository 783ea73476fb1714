"""Train, validation and test without leaks: whatever says the same goes to the same part.

Rows whose text is the same but for case, punctuation and spacing form a group, and groups are divided, never rows. As the
text is what is asked (the person's turns, or the text of a labelled row), neither a duplicate nor the same question with
another answer crosses from one part to another.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from studio.core.recipe import SPLIT_NAMES, SplitOptions
from studio.data.text import normalise, plural
from studio.data.types import Example, Splits

Group = list[int]


def split_examples(
    examples: Sequence[Example],
    options: SplitOptions,
    stratum: Callable[[Example], str | None],
    text: Callable[[Example], str],
) -> Splits:
    """Divide examples by the shares of ``options``, the same way for the same seed.

    Labels (``stratum``) keep their proportions as well as whole groups allow. Rows that name their own part
    (``Example["split"]``, see :mod:`studio.data.roles`) stay in it; parts the data does not have are then taken from its
    training rows. With ten rows or more no wanted part is empty, if there are enough groups.
    """
    groups: dict[str, Group] = defaultdict(list)
    for place, example in enumerate(examples):
        groups[normalise(text(example))].append(place)
    shares: dict[str, float] = {name: float(getattr(options, name)) for name in SPLIT_NAMES}
    notes: list[str] = []
    parts: dict[str, list[int]] = {name: [] for name in SPLIT_NAMES}
    free: list[Group] = list(groups.values())
    if any("split" in e for e in examples):
        free = _own(examples, list(groups.values()), parts, shares, notes)
    if free:
        _divide(examples, free, shares, options.seed, stratum, parts, notes)
    chosen = {name: [examples[place] for place in sorted(places)] for name, places in parts.items()}
    return Splits(chosen["train"], chosen["validation"], chosen["test"], tuple(notes))


def _own(
    examples: Sequence[Example], groups: list[Group], parts: dict[str, list[int]], shares: dict[str, float], notes: list[str]
) -> list[Group]:  # fmt: skip
    """Put rows where they say; what is left to divide are the training rows, for parts the data does not name."""
    for place, example in enumerate(examples):
        parts[example.get("split", "train")].append(place)
    crossing = sum(len({examples[p].get("split", "train") for p in group}) > 1 for group in groups)
    if crossing:
        notes.append(f"{plural(crossing, 'text is', 'texts are')} in more than one part of your own split.")
    missing = [name for name in ("validation", "test") if not parts[name] and shares[name] > 0]
    notes.append("Your own split was kept.")
    if not missing or not parts["train"]:
        return []
    for name in ("validation", "test"):
        if name not in missing:
            shares[name] = 0.0
    notes.append(f"It has no {' and no '.join(missing)} rows; these were taken from the training rows.")
    movable = [g for g in groups if all(examples[p].get("split", "train") == "train" for p in g)]
    moving = {p for g in movable for p in g}
    parts["train"] = [p for p in parts["train"] if p not in moving]
    return movable


def _divide(
    examples: Sequence[Example], groups: list[Group], shares: dict[str, float], seed: int,
    stratum: Callable[[Example], str | None], parts: dict[str, list[int]], notes: list[str],
) -> None:  # fmt: skip
    generator = random.Random(seed)  # noqa: S311 - a shuffle that can be repeated, not a secret
    wanted: list[str] = [name for name in SPLIT_NAMES if shares[name] > 0]
    total = sum(shares[name] for name in wanted)
    strata: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        kinds = Counter(stratum(examples[p]) or "" for p in group)
        strata[kinds.most_common(1)[0][0]].append(group)
    given: dict[str, list[Group]] = {name: [] for name in wanted}
    owed = dict.fromkeys(wanted, 0.0)
    for kind in sorted(strata):
        members = strata[kind]
        generator.shuffle(members)
        members.sort(key=len, reverse=True)
        rows = sum(map(len, members))
        for name in wanted:
            owed[name] += rows * shares[name] / total
        for group in members:
            # What a part is still owed after small strata is carried over to the next, so that totals come out right.
            name = max(wanted, key=lambda n: (owed[n], shares[n]))
            owed[name] -= len(group)
            given[name].append(group)
    _fill_empty(given, sum(map(len, groups)), notes)
    for name, members in given.items():
        parts[name].extend(place for group in members for place in group)


def _fill_empty(given: dict[str, list[Group]], rows: int, notes: list[str]) -> None:
    """Give an empty part the smallest group of the part that has most groups."""
    for name in given:
        if given[name]:
            continue
        donor = max(given, key=lambda n: len(given[n]))
        if len(given[donor]) > 1:
            smallest = min(given[donor], key=len)
            given[donor].remove(smallest)
            given[name].append(smallest)
        elif rows:
            notes.append(f"There are too few different rows for a {name} part.")
