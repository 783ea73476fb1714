"""Numbers as people write them."""

import pytest

from studio.ui.views import quantities


@pytest.mark.parametrize(
    ("value", "said"),
    [(2e-4, "2e-4"), (0.00015, "1.5e-4"), (0.05, "0.05"), (3.0, "3"), (1024, "1,024"), (0.123456, "0.1235"), ("all-linear", "all-linear")],
)  # fmt: skip
def test_numbers_are_written_as_people_write_them(value: object, said: str) -> None:
    assert quantities.short(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1, "about 5 s"), (42, "about 40 s"), (58, "about 1 min"), (170, "about 3 min"), (3_599, "about 1 h"), (7_800, "about 2 h 10 min"), (90_000, "about 25 h")],
)  # fmt: skip
def test_durations_are_round(seconds: float, said: str) -> None:
    assert quantities.duration(seconds) == said


@pytest.mark.parametrize(("gib", "said"), [(0.0001, "1 MB"), (0.035, "36 MB"), (0.9, "0.9 GB"), (14.2, "14 GB")])
def test_sizes(gib: float, said: str) -> None:
    assert quantities.gigabytes(gib) == said
