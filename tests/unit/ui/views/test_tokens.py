"""The exact text the model sees, and how long the rows are."""

from studio.data.render import Segment
from studio.data.stats import Bin, histogram
from studio.ui.views import tokens


def test_the_histogram_has_its_numbers_as_a_table() -> None:
    markup = tokens.histogram(histogram([5, 6, 7, 40, 900], 100))
    assert "Show the numbers" in markup
    assert "1 row is over the limit" in markup
    assert "1,000" not in tokens.histogram([Bin(0, 10, 3, False)])


def test_without_lengths_the_place_explains_itself() -> None:
    assert "Lengths are counted when" in tokens.histogram([])


def test_what_the_model_sees_marks_the_learned_part() -> None:
    segments = [
        Segment("<|user|>", learned=False, cut=False),
        Segment("yes", learned=True, cut=False),
        Segment("gone", learned=False, cut=True),
    ]
    markup = tokens.model_view(segments, 0, 3, 128)
    assert '<span class="ts-context">&lt;|user|&gt;</span><span class="ts-learned">yes</span>' in markup
    assert "the limit is 128 tokens" in markup
    assert "Training row 1 of 3" in markup
