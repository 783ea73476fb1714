"""How answers are drawn: the one declaration for the screens and the command line."""

from __future__ import annotations

from studio.core.options import Options, option


class AnswerOptions(Options):
    """How answers are drawn; the names are those of ``studio.inference.types.Sampling``."""

    temperature: float = option(
        0.7, title="How adventurous", term="temperature", help="0 always takes the likeliest word.", ge=0, le=2, group="Answers"
    )  # fmt: skip
    top_p: float = option(
        0.9, title="How many candidates", term="top-p", help="Only the likeliest words that make up this share are drawn from.",
        gt=0, le=1, group="Answers",
    )  # fmt: skip
    max_new_tokens: int = option(
        200, title="Longest answer", term="max tokens", unit="tokens", help="An answer is cut here.", ge=1, le=4096, group="Answers"
    )  # fmt: skip
    seed: int = option(
        42, title="Dice", term="seed", help="The same number gives the same answers; both panes use the same. “Ask again” rolls another.",
        ge=0, le=2**31 - 1, group="Answers",
    )  # fmt: skip
