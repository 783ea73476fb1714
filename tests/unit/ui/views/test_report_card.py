"""The report card in words and bars."""

from studio.ui.views import report_card

REPORT = {
    "rows": 60, "verdict": "Better & <proven>.",
    "metrics": {
        "loss": {"title": "Loss <x>", "higher_is_better": False, "base": {"value": 3.4, "low": 3.1, "high": 3.7}, "tuned": {"value": 1.65, "low": 1.5, "high": 1.8}},
        "odd": {"title": "Odd", "higher_is_better": True, "base": {"value": None}, "tuned": {"value": 1.0, "low": None, "high": None}},
    },
    "notes": ["Few rows."], "labels": ["a<", "b"], "confusion": {"base": [[1, 2], [3, 0]], "tuned": [[3, 0], [1, 2]]},
}  # fmt: skip


def test_the_report_card_has_a_verdict_lines_with_error_bars_and_the_numbers_as_a_table() -> None:
    markup = report_card.report_card(REPORT)
    assert "Better &amp; &lt;proven&gt;." in markup
    assert "Loss &lt;x&gt;" in markup
    assert markup.count("<svg") == 2
    assert "3.4 (3.1 to 3.7)" in markup
    assert "lower is better" in markup
    assert "no report card" in report_card.report_card(None)


def test_error_bars_survive_missing_and_equal_numbers() -> None:
    assert report_card.error_bars({}, {"value": None}) == ""
    assert "nan" not in report_card.error_bars({"value": 1.0, "low": 1.0, "high": 1.0}, {"value": 1.0})
