"""The bar in three parts."""

import re

import pytest

from studio.ui.views.split import percentages, split_bar


@pytest.mark.parametrize(
    "shares", [(0.8, 0.1, 0.1), (1, 1, 1), (0.333, 0.333, 0.334), (1, 0, 0), (0, 0, 0), (0.005, 0.99, 0.005)]
)
def test_percentages_add_up(shares: tuple[float, float, float]) -> None:
    percent = percentages(dict(zip(("train", "validation", "test"), shares, strict=True)))
    assert sum(percent.values()) == 100
    assert min(percent.values()) >= 0


def test_the_split_bar_has_two_sliders_and_three_counts() -> None:
    markup = split_bar({"train": 8, "validation": 1, "test": 1}, {"train": 672, "validation": 84, "test": 84})
    assert re.findall(r'type="range"[^>]*value="(\d+)"', markup) == ["80", "90"]
    assert markup.count("84 rows") == 2
