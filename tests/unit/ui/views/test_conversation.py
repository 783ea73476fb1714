"""Turns and both panes."""

import random

from studio.inference.types import SIDES
from studio.ui.views import conversation
from studio.ui.views.conversation import Answer, Turn

CHUNK = {
    "base": "The <b>the</b>", "tuned": "Thank you.", "base_done": True, "tuned_done": True,
    "base_identity": "adapter off · seedling-5m", "tuned_identity": "adapter support-3 · 9f2c41",
    "tokens": {"base": 3, "tuned": 42}, "seconds": {"base": 0.4, "tuned": 1.26},
}  # fmt: skip


def answered(user: str = "Hi", **more: object) -> Turn:
    return conversation.with_chunk(Turn(user=user, **more), CHUNK)  # type: ignore[arg-type]


def test_under_each_answer_stand_tokens_seconds_and_the_weights_that_spoke() -> None:
    markup = conversation.panes([answered()], False)
    assert "3 tokens · 0.4 s · adapter off · seedling-5m" in markup
    assert "42 tokens · 1.3 s · adapter support-3 · 9f2c41" in markup
    assert markup.index("The &lt;b&gt;") < markup.index("Thank you.")


def test_what_anybody_wrote_is_escaped() -> None:
    markup = conversation.panes([answered("<script>x</script>")], False)
    assert "<script>" not in markup
    assert "<b>the" not in markup


def test_each_model_keeps_its_own_history() -> None:
    turns = [answered("One"), Turn(user="Two")]
    base, tuned = (conversation.messages(turns, side, " Be kind. ") for side in SIDES)
    assert base == [
        {"role": "system", "content": "Be kind."}, {"role": "user", "content": "One"},
        {"role": "assistant", "content": "The <b>the</b>"}, {"role": "user", "content": "Two"},
    ]  # fmt: skip
    assert tuned[2]["content"] == "Thank you."
    assert conversation.messages([Turn(user="x")], "base", None) == [{"role": "user", "content": "x"}]


def test_blind_answers_tell_nothing_until_the_vote() -> None:
    turn = answered(left="tuned", hidden=True)
    hidden = conversation.panes([turn], True)
    for telling in ("seedling", "support-3", "tokens", "Base", "Tuned", "ts-base", "ts-tuned"):
        assert telling not in hidden
    assert hidden.index("Thank you.") < hidden.index("The &lt;b&gt;")
    voted = Turn(turn.user, turn.base, turn.tuned, turn.left, True, "A")
    shown = conversation.panes([voted], True)
    assert "A was tuned" in shown
    assert "B was base" in shown
    assert "seedling" in shown


def test_blind_questions_stand_on_both_sides_by_chance_and_open_ones_never_do() -> None:
    dice = random.Random(1)
    assert {conversation.new_turn("x", True, dice).left for _ in range(50)} == {"base", "tuned"}
    assert {conversation.new_turn("x", False, dice).left for _ in range(50)} == {"base"}


def test_the_small_print_tells_the_dice() -> None:
    drawn = answered(sampling={"seed": 7, "temperature": 0.7})
    assert "42 tokens · 1.3 s · seed 7 · adapter support-3" in conversation.panes([drawn], False)
    sure = conversation.panes([answered(sampling={"seed": 7, "temperature": 0})], False)
    assert "likeliest words" in sure
    assert "seed 7" not in sure


def test_what_a_model_never_answered_is_no_part_of_its_history() -> None:
    left = Turn(user="Left", tuned=Answer("half", done=True), left_open=True)
    turns = [left, Turn(user="Next")]
    assert [m["content"] for m in conversation.messages(turns, "base", None)] == ["Next"]
    assert [m["content"] for m in conversation.messages(turns, "tuned", None)] == ["Left", "half", "Next"]
    assert [m["content"] for m in conversation.messages([left], "base", None)] == ["Left"]


def test_a_turn_is_kept_whole() -> None:
    turn = answered(left="tuned", hidden=True, vote="A", run_id="r", sampling={"seed": 1}, typed_seed=1, id="x")
    assert conversation.from_json(conversation.to_json(turn), "r") == turn


def test_an_ended_stream_leaves_no_cursor_blinking() -> None:
    assert "ts-caret" in conversation.panes([Turn(user="x", base=Answer(text="half"))], False)
    assert "ts-caret" not in conversation.panes([conversation.ended(Turn(user="x", base=Answer(text="half")))], False)
