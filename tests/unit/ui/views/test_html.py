"""Escaping: whatever came from outside is text, never markup."""

import re

from studio.ui.views.html import Safe, clip, join, tag, text


def tags_of(markup: str) -> set[str]:
    return set(re.findall(r"<([a-zA-Z0-9]+)", markup))


def test_text_from_outside_never_becomes_markup(nasty: str) -> None:
    markup = tag("p", nasty, title=nasty)
    assert tags_of(markup) == {"p"}
    assert "<script" not in markup
    assert '"><img' not in markup


def test_hidden_characters_are_shown() -> None:
    assert clip("a\x00b\u202ec") == "a\ufffdb\ufffdc"


def test_long_text_is_cut_with_an_ellipsis() -> None:
    assert clip("x" * 10_000_000, 300) == "x" * 300 + "…"


def test_safe_markup_stays_and_text_is_escaped() -> None:
    assert join(Safe("<b>"), "<b>", None) == "<b>&lt;b&gt;"
    assert isinstance(text("a"), Safe)


def test_attributes_that_are_none_or_false_are_left_out() -> None:
    assert tag("button", "x", disabled=False, title=None, data_run="r") == '<button data-run="r">x</button>'
