"""What the trial noted, as a reader sees it."""

from __future__ import annotations

from studio.pretraining.trial import trial_text

RESULT = {
    "base": "seedling-1m", "sample": "support_chat.jsonl", "preset": "balanced", "seconds": 48.4, "steps": 108, "best_step": 77,
    "report": {"rows": 36, "metrics": {"perplexity": {"base": {"value": 199.36}, "tuned": {"value": 8.771}}}},
    "answers": [{"prompt": "a|b\nc?", "right": "Yes.", "base": "I\n\nam", "tuned": "Yes, lamp friend."}],
}  # fmt: skip


def test_the_table_holds_on_one_line_whatever_was_answered() -> None:
    assert trial_text(RESULT).splitlines()[-1] == "| a\\|b c? | Yes. | I am | Yes, lamp friend. |"


def test_the_sentence_gives_time_and_gain() -> None:
    assert "in 48 s" in trial_text(RESULT)
    assert "perplexity 199 → 8.77 on 36 rows" in trial_text(RESULT)
