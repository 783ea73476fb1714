"""Fixes change what they say, never their input, and can be repeated from a recipe."""

from __future__ import annotations

import copy

import pytest

from studio.core.errors import DataError
from studio.core.recipe import AppliedFix
from studio.data import privacy
from studio.data.clean import ALL, FIXES, apply_fixes, preview, tidy
from studio.data.types import Example

from .helpers import label, pair


def rows(examples: list[Example]) -> list[int]:
    return [e["row"] for e in examples]


CHAT = [
    pair(0, "Where is it?", "Here."),
    pair(1, "Where is it?", "Here."),
    pair(2, "where is it", "here"),
    pair(3, "Open on Monday?", "Yes."),
    pair(4, "open on monday", "No."),
    pair(5, "Open on Monday?", "yes"),
    pair(6, "", ""),
    pair(7, "Anyone?", ""),
    pair(8, "Mail?", "Write to jo@example.com &amp; wait.  "),
]


def test_each_fix_takes_the_rows_it_names() -> None:
    assert rows(FIXES["drop_exact_duplicates"](CHAT)) == [0, 2, 3, 4, 5, 6, 7, 8]
    assert rows(FIXES["drop_near_duplicates"](CHAT)) == [0, 3, 4, 6, 7, 8]
    assert rows(FIXES["drop_empty"](CHAT)) == [0, 1, 2, 3, 4, 5, 7, 8]
    assert rows(FIXES["drop_one_sided"](CHAT)) == [0, 1, 2, 3, 4, 5, 6, 8]
    assert rows(FIXES["keep_majority"](CHAT)) == [0, 1, 2, 3, 5, 6, 7, 8]
    assert rows(FIXES["keep_newest"](CHAT[:5])) == [0, 1, 2, 4]
    assert rows(FIXES["drop_conflicting"](CHAT)) == [0, 1, 2, 6, 7, 8]


def test_no_fix_touches_its_input() -> None:
    labelled = [label(0, "a  b &lt;", "Billing"), label(1, "jo@example.com", "billing "), label(2, "", "x")]
    for examples in (CHAT, labelled):
        before = copy.deepcopy(examples)
        for fix in FIXES.values():
            fix(examples)
            assert examples == before


def test_fixes_twice_are_fixes_once() -> None:
    for name, fix in FIXES.items():
        once = fix(CHAT)
        assert fix(once) == once, name


def test_applied_in_order_and_unknown_ones_refused() -> None:
    applied = [AppliedFix(check="x", fix="tidy_text"), AppliedFix(check="x", fix="mask_personal_data")]
    result = apply_fixes(CHAT, applied)
    assert result[-1]["messages"][1]["content"] == "Write to [EMAIL] & wait."
    with pytest.raises(DataError, match="no such fix"):
        apply_fixes(CHAT, [AppliedFix(check="x", fix="erase_disk")])
    with pytest.raises(DataError, match="no such fix"):
        preview(CHAT, "erase_disk")


def test_preview_lists_only_what_changes() -> None:
    changes = preview(CHAT, "drop_exact_duplicates")
    assert [(c.row, c.after) for c in changes] == [(1, None)]
    (change,) = preview(CHAT, "mask_personal_data")
    assert change.row == 8
    assert change.before == CHAT[8]
    assert change.after is not None
    assert "[EMAIL]" in change.after["messages"][1]["content"]


def test_spellings_and_rare_labels() -> None:
    examples = [label(i, f"t{i}", "Billing") for i in range(6)] + [label(6, "x", "billing "), label(7, "y", "BILLING!")]
    assert {e["label"] for e in FIXES["merge_label_spellings"](examples)} == {"Billing"}
    assert {e["label"] for e in FIXES["drop_rare_labels"](examples)} == {"Billing"}


def test_the_same_opening_of_longer_talks_is_no_conflict() -> None:
    talk = [pair(0, "Hi", "Hello")["messages"] + pair(0, f"More {i}", f"Answer {i}")["messages"] for i in range(3)]
    examples: list[Example] = [{"row": i, "messages": messages} for i, messages in enumerate(talk)]
    assert FIXES["drop_conflicting"](examples) == examples


def test_leaked_rows_leave_the_training_part() -> None:
    examples = [
        {**label(i, t, "x"), "split": s}
        for i, (t, s) in enumerate([("A b", "train"), ("a B!", "test"), ("c", "train")])
    ]
    assert rows(FIXES["drop_leaked"](examples)) == [1, 2]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  a&amp;b&#39;s \n", "a&b's"),
        ("caf\u00c3\u00a9 \u00e2\u20ac\u0153x\u00e2\u20ac\u009d", "café “x”"),
        ("one  two \nthree\r\n\n\n\nfour", "one two\nthree\n\nfour"),
        ("a\u00a0b\x07", "a b"),
        ("```\nx  =  1\n```", "```\nx  =  1\n```"),
        ("def f():\n    return  1", "def f():\n    return  1"),
        ("Grüße – naïve café “ja” 👩‍👩‍👧", "Grüße – naïve café “ja” 👩‍👩‍👧"),
        ("AT&T; R&D", "AT&T; R&D"),
    ],
)
def test_tidy(before: str, after: str) -> None:
    assert tidy(before) == after


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Write to Jo.Smith+x@mail.example.co.uk.", "Write to [EMAIL]."),
        ("Call +44 20 7946 0958 now", "Call [PHONE] now"),
        ("Call (415) 555-2671 or 415-555-2671.", "Call [PHONE] or [PHONE]."),
        ("Tel. 0171/1234567", "Tel. [PHONE]"),
        ("ring 555-0188", "ring [PHONE]"),
        ("card 4111 1111 1111 1111!", "card [CARD]!"),
        ("pay DE89 3704 0044 0532 0130 00 please", "pay [IBAN] please"),
        ("Order 123456789012 of 2024-05-12 at 12:30 for 1,234.50", None),
        ("card 4111 1111 1111 1112", None),
        ("IBAN DE00 3704 0044 0532 0130 00", None),
        ("Version 10.0.19045.3803, pages 100-200, 1990-1995, 01-02-2024", None),
        ("user@host and @name", None),
        ("١٢٣٤٥٦٧٨٩٠", None),
    ],
)
def test_masks(text: str, masked: str | None) -> None:
    assert privacy.mask(text) == (text if masked is None else masked)


def test_every_fix_has_words() -> None:
    for name, fix in ALL.items():
        assert fix.id == name
        assert fix.title
        assert fix.explanation.endswith(".")


def test_fixes_can_be_told_apart_where_nothing_else_is_said():
    titles = [fix.title for fix in ALL.values()]
    assert len(set(titles)) == len(titles)
    assert not [title for title in titles if {"them", "these"} & set(title.split())]
