"""The list of prompts as a table and as a CSV file."""

import pytest

from studio.ui.views.prompt_list import csv_rows, expected, harmless, prompt_table


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =cmd", "\r=1"])
def test_no_cell_of_the_csv_is_a_formula(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"
    assert csv_rows([{"prompt": "p", "base": cell, "tuned": "fine"}])[1] == ["p", f"'{cell}", "fine"]


def test_the_prompt_table_tells_how_far_it_is_and_escapes() -> None:
    rows = [{"prompt": "<q>", "base": "b", "tuned": "t", "expected": "e"}]
    markup = prompt_table(rows, 20)
    assert "1 of 20 answered." in markup
    assert "<q>" not in markup
    assert "In your data" in markup
    assert csv_rows(rows)[0] == ["prompt", "base", "tuned", "expected"]


def test_what_the_data_itself_answers() -> None:
    assert expected({"label": "billing"}) == "billing"
    assert expected({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}) == "a"
    assert expected({}) == ""
