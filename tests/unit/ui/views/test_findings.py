"""Health, cards, previews and the effect of fixes."""

import re

import pytest

from studio.core.recipe import AppliedFix
from studio.data.types import Change, Finding, Fix
from studio.ui.views import findings as view


def finding(severity: str = "caution", check: str = "doubles", fixes: int = 1, example: str = "e") -> Finding:
    made = tuple(Fix(f"fix{i}", f"Fix {i}", "Why.", lambda rows: rows) for i in range(fixes))
    return Finding(check, severity, "14 rows", "Because.", 14, (1,), (example, "two", "three"), made)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("findings", "rows", "sentence"),
    [
        ([], 10, "Good to train."),
        (
            [finding(), finding(check="b"), finding("note"), finding("note")],
            10,
            "Good to train after 2 fixes. 2 things to know.",
        ),
        ([finding(fixes=0)], 10, "Good to train, with care."),
        ([finding(), finding(fixes=0)], 10, "Good to train after 1 fix, with care."),
        ([finding("stop"), finding()], 10, "1 thing should be mended before training. 1 more is better mended."),
        ([], 0, "There is nothing to learn from yet. Look at what was found below, or go back to Data."),
    ],
)
def test_health_in_a_sentence(findings: list[Finding], rows: int, sentence: str) -> None:
    assert view.health(findings, rows) == sentence


def test_examples_of_findings_are_escaped(nasty: str) -> None:
    assert "<script" not in view.cards([finding(example=nasty)])
    assert "<img" not in view.cards([finding(example=nasty)])


def test_two_examples_and_both_buttons() -> None:
    markup = view.cards([finding()])
    assert "two" in markup
    assert "three" not in markup
    assert re.findall(r'data-action="(\w+)"', markup) == ["leave", "preview", "fix"]


def test_a_left_finding_is_folded_and_can_come_back() -> None:
    markup = view.cards([finding()], left=["doubles"])
    assert 'data-action="unleave"' in markup
    assert "<article" not in markup


def test_nothing_can_be_pressed_in_a_started_run() -> None:
    assert "<button" not in view.cards([finding()], can_change=False)
    assert "<button" not in view.effect(10, 9, [AppliedFix(check="a", fix="b")], {}, can_change=False)


def test_the_preview_stands_in_its_card() -> None:
    change = Change(4, {"row": 4, "text": "a <b>", "label": "x"}, None)
    markup = view.cards([finding()], preview_of="fix0", preview=[change])
    assert "a &lt;b&gt;" in markup
    assert "The row goes." in markup
    assert "1 row goes, 0 rows change." in markup


def test_the_effect_lists_fixes_with_undo() -> None:
    markup = view.effect(1840, 1800, [AppliedFix(check="a", fix="drop_it")], {"drop_it": "Keep <one>"})
    assert "1,840" in markup
    assert 'data-action="undo" data-index="0" data-fix="drop_it"' in markup
    assert "Keep &lt;one&gt;" in markup
