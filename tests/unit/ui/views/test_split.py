"""The bar in three parts."""

import re

import pytest

from studio.core.recipe import SplitOptions
from studio.ui.views.split import clamped, percentages, split_bar


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


def test_the_parts_are_as_wide_as_their_share_and_even_none_is_told() -> None:
    markup = split_bar({"train": 5, "validation": 95, "test": 0}, {"train": 1, "validation": 19})
    assert re.findall(r'style="width:(\d+)%"', markup) == ["5", "95", "0"]
    assert re.findall(r">(\d+ %|\d+ rows?)<", markup) == ["5 %", "1 row", "95 %", "19 rows", "0 %", "0 rows"]
    assert re.findall(r'type="range"[^>]*min="(\d+)"', markup) == ["0", "0"]


@pytest.mark.parametrize("train", range(0, 101, 5))
@pytest.mark.parametrize("validation", range(0, 101, 5))
def test_wherever_the_handles_are_put_the_split_can_be_had(train: int, validation: int) -> None:
    first, second = clamped(train, validation)
    SplitOptions(train=first / 100, validation=(second - first) / 100, test=(100 - second) / 100)


def test_handles_that_may_stay_do() -> None:
    assert clamped(5, 100) == (5, 95)
    assert clamped(80, 90) == (80, 90)
    assert clamped(100, 100) == (100, 100)
