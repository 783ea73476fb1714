"""Turns, blind votes, the report card and the list of prompts."""

import random

import pytest

from studio.core.errors import RecipeError
from studio.ui.views import compare as words
from studio.ui.views.compare import Answer, Turn

CHUNK = {
    "base": "The <b>the</b>", "tuned": "Thank you.", "base_done": True, "tuned_done": True,
    "base_identity": "adapter off · seedling-5m", "tuned_identity": "adapter support-3 · 9f2c41",
    "tokens": {"base": 3, "tuned": 42}, "seconds": {"base": 0.4, "tuned": 1.26},
}  # fmt: skip


def answered(user: str = "Hi", **more: object) -> Turn:
    return words.with_chunk(Turn(user=user, **more), CHUNK)  # type: ignore[arg-type]


def test_under_each_answer_stand_tokens_seconds_and_the_weights_that_spoke() -> None:
    markup = words.conversation([answered()], False)
    assert "3 tokens · 0.4 s · adapter off · seedling-5m" in markup
    assert "42 tokens · 1.3 s · adapter support-3 · 9f2c41" in markup
    assert markup.index("The &lt;b&gt;") < markup.index("Thank you.")


def test_what_anybody_wrote_is_escaped() -> None:
    markup = words.conversation([answered("<script>x</script>")], False)
    assert "<script>" not in markup
    assert "<b>the" not in markup


def test_each_model_keeps_its_own_history() -> None:
    turns = [answered("One"), Turn(user="Two")]
    base, tuned = (words.messages(turns, side, " Be kind. ") for side in words.SIDES)
    assert base == [
        {"role": "system", "content": "Be kind."}, {"role": "user", "content": "One"},
        {"role": "assistant", "content": "The <b>the</b>"}, {"role": "user", "content": "Two"},
    ]  # fmt: skip
    assert tuned[2]["content"] == "Thank you."
    assert words.messages([Turn(user="x")], "base", None) == [{"role": "user", "content": "x"}]


def test_blind_answers_tell_nothing_until_the_vote() -> None:
    turn = answered(left="tuned", hidden=True)
    hidden = words.conversation([turn], True)
    for telling in ("seedling", "support-3", "tokens", "Base", "Tuned", "ts-base", "ts-tuned"):
        assert telling not in hidden
    assert hidden.index("Thank you.") < hidden.index("The &lt;b&gt;")
    voted = Turn(turn.user, turn.base, turn.tuned, turn.left, True, "A")
    shown = words.conversation([voted], True)
    assert "A was tuned" in shown
    assert "B was base" in shown
    assert "seedling" in shown


def test_blind_questions_stand_on_both_sides_by_chance_and_open_ones_never_do() -> None:
    dice = random.Random(1)
    assert {words.new_turn("x", True, dice).left for _ in range(50)} == {"base", "tuned"}
    assert {words.new_turn("x", False, dice).left for _ in range(50)} == {"base"}


@pytest.mark.parametrize(
    ("vote", "left", "winner"),
    [("A", "base", "base"), ("A", "tuned", "tuned"), ("B", "base", "tuned"), ("tie", "base", "tie"), ("both_bad", "tuned", "both_bad")],
)  # fmt: skip
def test_a_vote_is_kept_with_all_that_is_needed_to_read_it_later(vote: str, left: str, winner: str) -> None:
    record = words.vote_record(answered(left=left, hidden=True), vote, {"seed": 1}, 5.0)  # type: ignore[arg-type]
    assert record["winner"] == winner
    assert record["sides"]["A"] == left
    assert record["answers"]["tuned"] == "Thank you."
    assert record["identities"]["base"] == "adapter off · seedling-5m"
    assert (record["prompt"], record["time"], record["sampling"]) == ("Hi", 5.0, {"seed": 1})


def test_the_tally_counts_votes_and_nothing_else() -> None:
    records = [{"kind": "vote", "winner": "tuned"}, {"kind": "vote", "winner": "tuned"}, {"kind": "vote", "winner": "tie"}, {"kind": "note"}, {}]  # fmt: skip
    assert words.tally(records) == {"tuned": 2, "base": 0, "tie": 1, "both_bad": 0}
    assert "3 blind votes" in words.tally_line(words.tally(records))
    assert words.tally_line(words.tally([])) == ""


def test_settings_of_the_answers_are_checked_all_at_once() -> None:
    assert words.checked_sampling({"temperature": 0}) == {
        "temperature": 0,
        "top_p": 0.9,
        "max_new_tokens": 200,
        "seed": 42,
    }
    with pytest.raises(RecipeError) as caught:
        words.checked_sampling({"temperature": 9, "top_p": 0})
    assert {problem.field for problem in caught.value.problems} == {"temperature", "top_p"}


REPORT = {
    "rows": 60, "verdict": "Better & <proven>.",
    "metrics": {
        "loss": {"title": "Loss <x>", "higher_is_better": False, "base": {"value": 3.4, "low": 3.1, "high": 3.7}, "tuned": {"value": 1.65, "low": 1.5, "high": 1.8}},
        "odd": {"title": "Odd", "higher_is_better": True, "base": {"value": None}, "tuned": {"value": 1.0, "low": None, "high": None}},
    },
    "notes": ["Few rows."], "labels": ["a<", "b"], "confusion": {"base": [[1, 2], [3, 0]], "tuned": [[3, 0], [1, 2]]},
}  # fmt: skip


def test_the_report_card_has_a_verdict_lines_with_error_bars_and_the_numbers_as_a_table() -> None:
    markup = words.report_card(REPORT)
    assert "Better &amp; &lt;proven&gt;." in markup
    assert "Loss &lt;x&gt;" in markup
    assert markup.count("<svg") == 2
    assert "3.4 (3.1 to 3.7)" in markup
    assert "lower is better" in markup
    assert "no report card" in words.report_card(None)


def test_error_bars_survive_missing_and_equal_numbers() -> None:
    assert words.error_bars({}, {"value": None}) == ""
    assert "nan" not in words.error_bars({"value": 1.0, "low": 1.0, "high": 1.0}, {"value": 1.0})


def test_both_confusion_matrices_with_their_numbers() -> None:
    markup = words.confusion(REPORT)
    assert "Base: 1 of 6 right" in markup
    assert "Tuned: 5 of 6 right" in markup
    assert "a&lt;" in markup
    assert words.confusion({"labels": []}) == ""


def test_class_probabilities_of_both_and_the_answer_in_words() -> None:
    result = {
        "labels": ["<x>", "delivery"],
        "base": [0.6, 0.4],
        "tuned": [0.1, 0.9],
        "base_identity": "b · 1",
        "tuned_identity": "t · 2",
    }
    markup = words.probabilities(result)
    assert "Tuned: delivery" in markup
    assert "Base: &lt;x&gt;" in markup
    assert "90 %" in markup
    assert "t · 2" in markup
    assert words.likeliest(result) == {"base": "<x> (60 %)", "tuned": "delivery (90 %)"}
    assert "Type a text" in words.probabilities(None)


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =cmd", "\r=1"])
def test_no_cell_of_the_csv_is_a_formula(cell: str) -> None:
    assert words.harmless(cell) == f"'{cell}"
    assert words.csv_rows([{"prompt": "p", "base": cell, "tuned": "fine"}])[1] == ["p", f"'{cell}", "fine"]


def test_the_prompt_table_tells_how_far_it_is_and_escapes() -> None:
    rows = [{"prompt": "<q>", "base": "b", "tuned": "t", "expected": "e"}]
    markup = words.prompt_table(rows, 20)
    assert "1 of 20 answered." in markup
    assert "<q>" not in markup
    assert "In your data" in markup
    assert words.csv_rows(rows)[0] == ["prompt", "base", "tuned", "expected"]


def test_what_the_data_itself_answers() -> None:
    assert words.expected({"label": "billing"}) == "billing"
    assert (
        words.expected({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}) == "a"
    )
    assert words.expected({}) == ""


def test_an_ended_stream_leaves_no_cursor_blinking() -> None:
    assert "ts-caret" in words.conversation([Turn(user="x", base=Answer(text="half"))], False)
    assert "ts-caret" not in words.conversation([words.ended(Turn(user="x", base=Answer(text="half")))], False)
