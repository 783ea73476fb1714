"""What the first screens show, as plain functions: escaping, slicing, counting."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from studio.core.recipe import AppliedFix
from studio.core.workspace import Workspace
from studio.data.stats import Bin, histogram
from studio.data.types import Change, FileInfo, Finding, Fix
from studio.runs.events import EventWriter
from studio.runs.folder import RunFolder
from studio.runs.state import RunState
from studio.ui.views import data, journey, prepare
from studio.ui.views.html import Safe, clip, join, safe, tag, text
from studio.ui.views.sidebar import POINTS, RunEntry, RunList, run_list, sparkline, thin

NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</td></table><h1>out</h1>",
    "{{value}} ${alert(1)} `x`",
    "**bold** [link](javascript:alert(1))",
    "\x00\x1b[31m\u202egnp.exe",
]


def tags_of(markup: str) -> set[str]:
    return set(re.findall(r"<([a-zA-Z0-9]+)", markup))


class TestHtml:
    @pytest.mark.parametrize("nasty", NASTY)
    def test_text_from_outside_never_becomes_markup(self, nasty: str) -> None:
        markup = tag("p", nasty, title=nasty)
        assert tags_of(markup) == {"p"}
        assert "<script" not in markup
        assert '"><img' not in markup

    def test_hidden_characters_are_shown(self) -> None:
        assert clip("a\x00b\u202ec") == "a\ufffdb\ufffdc"

    def test_long_text_is_cut_with_an_ellipsis(self) -> None:
        assert clip("x" * 10_000_000, 300) == "x" * 300 + "…"

    def test_safe_markup_stays_and_text_is_escaped(self) -> None:
        assert join(safe("<b>"), "<b>", None) == "<b>&lt;b&gt;"
        assert isinstance(text("a"), Safe)

    def test_attributes_that_are_none_or_false_are_left_out(self) -> None:
        assert tag("button", "x", disabled=False, title=None, data_run="r") == '<button data-run="r">x</button>'


class TestTable:
    def page(self, rows: list[dict[str, object]], **options: object) -> str:
        columns = list(rows[0]) if rows else ["a"]
        defaults = {"start": 0, "total": len(rows), "used_as": {}}
        return data.table_page(columns, rows, **{**defaults, **options})  # type: ignore[arg-type]

    @pytest.mark.parametrize("nasty", NASTY)
    def test_cells_and_column_names_are_escaped(self, nasty: str) -> None:
        markup = self.page([{nasty: nasty, "b": [{"role": nasty, "content": nasty}]}])
        assert tags_of(markup) <= {"div", "table", "thead", "tbody", "tr", "th", "td", "span", "button", "small"}

    def test_huge_cells_are_cut(self) -> None:
        assert len(self.page([{"a": "x" * 1_000_000, "b": ["y" * 1000] * 1000}])) < 5_000

    def test_conversations_are_shown_one_line_a_turn(self) -> None:
        turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
        assert data.cell(turns) == "user: Hi\nassistant: Hello"
        assert data.cell([{"from": "human", "value": "Hi"}]) == "human: Hi"

    @pytest.mark.parametrize(
        ("value", "shown"), [(None, ""), (1.5, "1.5"), (True, "True"), (b"ab", "2 bytes"), ({"a": 1}, '{"a": 1}')]
    )
    def test_other_values(self, value: object, shown: str) -> None:
        assert data.cell(value) == shown

    def test_used_columns_come_first_with_their_role(self) -> None:
        markup = self.page([{"z": 1, "q": 2}], used_as={"q": "What the person says"})
        assert markup.index(">q<") < markup.index(">z<")
        assert "What the person says" in markup

    def test_many_columns_are_cut_and_it_says_so(self) -> None:
        assert "16 more columns not shown" in self.page([{f"c{i}": i for i in range(40)}])

    def test_the_pager_leads_within_the_table(self) -> None:
        markup = data.pager("", 20, 25, 10, "rows")
        assert re.findall(r'data-start="(\d+)"', markup) == ["0", "10", "20", "20"]
        assert markup.count(" disabled") == 2

    def test_no_rows(self) -> None:
        assert "No rows" in self.page([])

    def test_what_was_understood_names_files_and_notes(self) -> None:
        markup = data.understood(
            "840 rows.", [FileInfo("<b>.csv", "csv", 840, encoding="cp1252")], ["3 rows <i>"], True
        )
        assert "&lt;b&gt;.csv (840 rows, CSV, cp1252)" in markup
        assert "3 rows &lt;i&gt;" in markup


def finding(severity: str = "caution", check: str = "doubles", fixes: int = 1, example: str = "e") -> Finding:
    made = tuple(Fix(f"fix{i}", f"Fix {i}", "Why.", lambda rows: rows) for i in range(fixes))
    return Finding(check, severity, "14 rows", "Because.", 14, (1,), (example, "two", "three"), made)  # type: ignore[arg-type]


class TestPrepare:
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
            ([finding("stop"), finding()], 10, "1 thing should be mended before training. 1 more is better mended."),
            ([], 0, "There is nothing to learn from yet. Look at what was found below, or go back to Data."),
        ],
    )
    def test_health_in_a_sentence(self, findings: list[Finding], rows: int, sentence: str) -> None:
        assert prepare.health(findings, rows) == sentence

    @pytest.mark.parametrize("nasty", NASTY)
    def test_examples_of_findings_are_escaped(self, nasty: str) -> None:
        assert "<script" not in prepare.cards([finding(example=nasty)])
        assert "<img" not in prepare.cards([finding(example=nasty)])

    def test_two_examples_and_both_buttons(self) -> None:
        markup = prepare.cards([finding()])
        assert "two" in markup
        assert "three" not in markup
        assert re.findall(r'data-action="(\w+)"', markup) == ["leave", "preview", "fix"]

    def test_a_left_finding_is_folded_and_can_come_back(self) -> None:
        markup = prepare.cards([finding()], left=["doubles"])
        assert 'data-action="unleave"' in markup
        assert "<article" not in markup

    def test_nothing_can_be_pressed_in_a_started_run(self) -> None:
        assert "<button" not in prepare.cards([finding()], can_change=False)
        assert "<button" not in prepare.effect(10, 9, [AppliedFix(check="a", fix="b")], {}, can_change=False)

    def test_the_preview_stands_in_its_card(self) -> None:
        change = Change(4, {"row": 4, "text": "a <b>", "label": "x"}, None)
        markup = prepare.cards([finding()], preview_of="fix0", preview=[change])
        assert "a &lt;b&gt;" in markup
        assert "The row goes." in markup
        assert "1 row goes, 0 rows change." in markup

    def test_the_effect_lists_fixes_with_undo(self) -> None:
        markup = prepare.effect(1840, 1800, [AppliedFix(check="a", fix="drop_it")], {"drop_it": "Keep <one>"})
        assert "1,840" in markup
        assert 'data-action="undo" data-index="0"' in markup
        assert "Keep &lt;one&gt;" in markup

    @pytest.mark.parametrize(
        "shares", [(0.8, 0.1, 0.1), (1, 1, 1), (0.333, 0.333, 0.334), (1, 0, 0), (0, 0, 0), (0.005, 0.99, 0.005)]
    )
    def test_percentages_add_up(self, shares: tuple[float, float, float]) -> None:
        percent = prepare.percentages(dict(zip(("train", "validation", "test"), shares, strict=True)))
        assert sum(percent.values()) == 100
        assert min(percent.values()) >= 0

    def test_the_split_bar_has_two_sliders_and_three_counts(self) -> None:
        markup = prepare.split_bar(
            {"train": 8, "validation": 1, "test": 1}, {"train": 672, "validation": 84, "test": 84}
        )
        assert re.findall(r'type="range"[^>]*value="(\d+)"', markup) == ["80", "90"]
        assert markup.count("84 rows") == 2

    def test_the_histogram_has_its_numbers_as_a_table(self) -> None:
        markup = prepare.histogram(histogram([5, 6, 7, 40, 900], 100))
        assert "Show the numbers" in markup
        assert "1 row is over the limit" in markup
        assert "1,000" not in prepare.histogram([Bin(0, 10, 3, False)])

    def test_without_lengths_the_place_explains_itself(self) -> None:
        assert "Lengths are counted when" in prepare.histogram([])

    def test_what_the_model_sees_marks_the_learned_part(self) -> None:
        class Part:
            def __init__(self, text: str, learned: bool = False, cut: bool = False) -> None:
                self.text, self.learned, self.cut = text, learned, cut

        markup = prepare.model_view([Part("<|user|>"), Part("yes", learned=True), Part("gone", cut=True)], 0, 3, 128)
        assert '<span class="ts-context">&lt;|user|&gt;</span><span class="ts-learned">yes</span>' in markup
        assert "the limit is 128 tokens" in markup
        assert "Training row 1 of 3" in markup


class TestJourney:
    def test_without_a_run_only_the_first_step_is_possible(self) -> None:
        assert [bool(s.why_not) for s in journey.journey(None)] == [False, True, True, True, True, True]

    @pytest.mark.parametrize(
        ("state", "model", "possible"),
        [
            ("draft", False, 3),
            ("training", False, 4),
            ("queued", False, 4),
            ("finished", True, 6),
            ("failed", False, 4),
            ("stopped", True, 6),
        ],
    )
    def test_what_is_possible_when(self, tmp_path: Path, state: str, model: bool, possible: int) -> None:
        run = RunFolder(tmp_path)
        if model:
            run.model_dir.mkdir()
            (run.model_dir / "tailor.json").write_text("{}")
        steps = journey.journey(run, RunState(state=state))  # type: ignore[arg-type]
        assert sum(not s.why_not for s in steps) == possible

    def test_a_draft_opens_where_the_person_was(self, tmp_path: Path) -> None:
        run = RunFolder(tmp_path)
        run.write_state(RunState(step_of_journey=journey.PREPARE))
        assert journey.landing(run) == journey.PREPARE
        assert journey.landing(run, journey.EXPORT) == journey.MODEL
        assert journey.landing(None, journey.EXPORT) == journey.DATA

    def test_the_row_says_why_not_and_names_the_run(self) -> None:
        markup = journey.header(journey.journey(None), 0, "a-1")
        assert markup.count('aria-disabled="true" title="Load data first."') == 5
        assert 'data-run="a-1" data-current="0"' in markup
        assert markup.count('aria-current="step"') == 1


class TestRuns:
    def make(self, workspace: Workspace, name: str, losses: list[float], state: str = "finished") -> RunFolder:
        run = RunFolder.create(workspace, name)
        run.write_state(RunState(state=state, created=1.0))  # type: ignore[arg-type]
        write = EventWriter(run.events_path)
        for step, loss in enumerate(losses):
            write("metric", step=step, loss=loss)
        write.close()
        return run

    def test_lists_state_and_losses_and_follows_them(self, tmp_path: Path) -> None:
        workspace = Workspace.open(tmp_path)
        run = self.make(workspace, "a", [3.0, 2.0])
        runs = RunList(workspace)
        assert [(e.id, e.state, e.losses) for e in runs.entries()] == [("a-1", "finished", (3.0, 2.0))]
        write = EventWriter(run.events_path)
        write("metric", step=3, loss=1.0)
        write.close()
        assert runs.entries()[0].losses == (3.0, 2.0, 1.0)
        run.delete()
        assert runs.entries() == []

    def test_the_name_comes_from_the_recipe_and_is_escaped(self, tmp_path: Path) -> None:
        workspace = Workspace.open(tmp_path)
        run = self.make(workspace, "a", [])
        run.recipe_path.write_text("version: 1\nname: '<b>it''s</b>'\n")
        entry = RunList(workspace).entries()[0]
        assert entry.name == "<b>it's</b>"
        assert "<b>" not in run_list([entry], None)

    def test_odd_folders_do_no_harm(self, tmp_path: Path) -> None:
        workspace = Workspace.open(tmp_path)
        (workspace.runs_dir / "empty").mkdir()
        (workspace.runs_dir / "torn").mkdir()
        (workspace.runs_dir / "torn" / "state.json").write_text("{not json")
        assert [e.state for e in RunList(workspace).entries()] == ["interrupted"]

    def test_sparklines_are_thin_and_finite(self) -> None:
        assert sparkline([1.0]) is None
        assert "nan" not in str(sparkline([2.0, 2.0, 2.0]))
        assert len(thin(list(range(100_000)), POINTS)) == POINTS
        assert thin([1.0, 2.0], POINTS) == [1.0, 2.0]

    def test_the_open_run_is_marked(self) -> None:
        markup = run_list([RunEntry("a-1", "a", "training"), RunEntry("b-1", "b", "draft")], "b-1")
        assert markup.count('aria-current="true"') == 1
        assert markup.count("data-active") == 1
        assert "Your runs appear here." in run_list([], None)
