"""Histogram and language."""

from __future__ import annotations

import itertools
import random

from studio.data.stats import histogram, language


def test_every_length_is_in_one_bin() -> None:
    generator = random.Random(3)
    for _ in range(50):
        lengths = [int(generator.expovariate(1 / 80)) for _ in range(generator.randint(1, 400))]
        limit = generator.choice([None, 10, 64, 500])
        bins = histogram(lengths, limit)
        assert sum(b.count for b in bins) == len(lengths)
        assert all(a.end == b.start for a, b in itertools.pairwise(bins))
        for one in bins:
            assert one.count == sum(one.start <= n < one.end for n in lengths)
        if limit:
            assert sum(b.count for b in bins if b.over) == sum(n > limit for n in lengths)


def test_no_rows_no_bins_and_a_long_tail_few() -> None:
    assert histogram([]) == []
    assert len(histogram([10] * 1000 + [1_000_000])) < 60


def test_languages() -> None:
    assert language(["Where is the lamp that I ordered from you last week?"] * 3) == "English"
    assert language(["Wo ist die Lampe, die ich letzte Woche bestellt habe?"] * 3) == "German"
    assert language(["¿Dónde está la lámpara que pedí la semana pasada?"] * 3) == "Spanish"
    assert language(["先週注文したランプはどこにありますか。"] * 3) == "Japanese"
    assert language(["", "12", "?!"]) == ""
    assert language([]) == ""
