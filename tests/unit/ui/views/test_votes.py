"""Blind votes: written down whole, counted right."""

import pytest

from studio.ui.views import votes
from studio.ui.views.conversation import Answer, Turn

BASE = Answer("The the", done=True, identity="adapter off · seedling-5m")
TUNED = Answer("Thank you.", done=True, identity="adapter support-3 · 9f2c41")


@pytest.mark.parametrize(
    ("vote", "left", "winner"),
    [("A", "base", "base"), ("A", "tuned", "tuned"), ("B", "base", "tuned"), ("tie", "base", "tie"), ("both_bad", "tuned", "both_bad")],
)  # fmt: skip
def test_a_vote_is_kept_with_all_that_is_needed_to_read_it_later(vote: str, left: str, winner: str) -> None:
    turn = Turn("Hi", BASE, TUNED, left, hidden=True, sampling={"seed": 1})  # type: ignore[arg-type]
    record = votes.record(turn, vote, 5.0)  # type: ignore[arg-type]
    assert record["winner"] == winner
    assert record["sides"]["A"] == left
    assert record["answers"]["tuned"] == "Thank you."
    assert record["identities"]["base"] == "adapter off · seedling-5m"
    assert (record["prompt"], record["time"], record["sampling"]) == ("Hi", 5.0, {"seed": 1})


def test_the_tally_counts_votes_and_nothing_else() -> None:
    records = [{"kind": "vote", "winner": "tuned"}, {"kind": "vote", "winner": "tuned"}, {"kind": "vote", "winner": "tie"}, {"kind": "note"}, {}]  # fmt: skip
    assert votes.tally(records) == {"tuned": 2, "base": 0, "tie": 1, "both_bad": 0}
    assert "3 blind votes" in votes.tally_line(votes.tally(records))
    assert votes.tally_line(votes.tally([])) == ""
