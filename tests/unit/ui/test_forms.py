"""Inputs are generated from the declarations; values go back as the recipe wants them; problems stand at their field."""

import re
from typing import Literal

import gradio as gr
import pytest

from studio.core.answers import AnswerOptions
from studio.core.errors import FieldProblem
from studio.core.options import Options, describe, option
from studio.core.recipe import MethodOptions, Recipe, TrainingOptions
from studio.ui.forms import FormField, SettingsForm, from_input, make_input, to_input
from studio.ui.views.fields import field_note, plain, widget_kind


class Many(Options):
    """One setting of each kind."""

    whole: int | None = option(
        None, title="Whole", help="A number.", unit="rows", term="whole number", ge=1, le=64, group="B"
    )
    share: float = option(0.1, title="Share", help="A share.", ge=0, le=0.9, tier="simple")
    word: Literal["a", "b"] | None = option(None, title="Word", help="One of.", labels={"a": "First"}, group="A")
    flag: bool = option(False, title="Flag", help="Yes or no.", group="A")
    lines: list[str] = option(None, title="Lines", help="Some.", default_factory=list, group="New")
    name: str | None = option(None, title="Name", help="Text.", group="A")
    hidden: int = option(1, title="Hidden", help="Never shown.", tier="internal")


class Holder(Options):
    many: Many = Many()
    reasons: dict[str, str] = {}


def info(name: str):
    return next(i for i in describe(Many) if i.name == name)


@pytest.fixture
def form() -> SettingsForm:
    made = SettingsForm({"many": Many})
    with gr.Blocks():
        made.simple()
        made.advanced()
    return made


def test_every_setting_but_the_internal_ones_gets_one_input_of_its_kind(form: SettingsForm) -> None:
    kinds = {field.info.name: type(component) for field, component in zip(form.fields, form.components, strict=True)}
    assert kinds == {
        "whole": gr.Textbox, "share": gr.Slider, "word": gr.Dropdown, "flag": gr.Checkbox, "lines": gr.Textbox, "name": gr.Textbox,
    }  # fmt: skip
    assert all(component.label and component.info for component in form.components)


def test_a_setting_added_to_the_recipe_is_in_the_form_without_another_line() -> None:
    form = SettingsForm({"method": MethodOptions, "training": TrainingOptions}, skip=("training.preset",))
    with gr.Blocks():
        form.simple()
        form.advanced()
    declared = {
        f"{section}.{i.name}"
        for section, model in (("method", MethodOptions), ("training", TrainingOptions))
        for i in describe(model)
        if i.tier != "internal"
    }
    assert {field.path for field in form.fields} == declared - {"training.preset"}
    assert len(form.components) == len(form.fields)


def test_what_was_filled_in_comes_back_unchanged(form: SettingsForm) -> None:
    recipe = Holder(many=Many(whole=8, share=0.5, word="b", flag=True, lines=["x", "y"], name="n"))
    values = [update["value"] for update in form.filled(recipe, None)]
    assert form.collect(values) == {"many": recipe.many.model_dump(exclude={"hidden"})}


def test_empty_inputs_mean_computed_or_the_default(form: SettingsForm) -> None:
    collected = form.collect([None, None, "", False, "\n  \n", " "])["many"]
    assert collected == {"whole": None, "share": 0.1, "word": None, "flag": False, "lines": [], "name": None}


def test_a_fraction_for_a_whole_number_is_not_rounded_in_silence() -> None:
    assert from_input(info("whole"), 8.0) == 8
    assert isinstance(from_input(info("whole"), 8.0), int)
    assert from_input(info("whole"), 8.5) == 8.5


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("12", 12), ("12.0", 12), ("1e2", 100), ("2,5", 2.5), ("1,000,000", "1,000,000"), ("many", "many"), ("0", 0)],
)
def test_numbers_are_read_as_people_type_them(typed: str, meant: object) -> None:
    assert from_input(info("whole"), typed) == meant


def test_an_empty_number_is_never_zero() -> None:
    """gr.Number makes 0 of it when it is mounted; an input of text does not."""
    assert to_input(info("whole"), None) == ""
    assert from_input(info("whole"), "") is None


def test_lines_are_lines() -> None:
    assert to_input(info("lines"), ["a", "b"]) == "a\nb"
    assert from_input(info("lines"), " a \n\nb\n") == ["a", "b"]


def test_a_computed_value_is_the_placeholder_with_its_reason(form: SettingsForm) -> None:
    resolved = Holder(many=Many(whole=16, word="a"), reasons={"many.whole": "16: suits 840 rows"})
    shown = dict(zip([f.info.name for f in form.fields], form.filled(Holder(), resolved), strict=True))
    assert shown["whole"]["value"] == ""
    assert shown["whole"]["placeholder"] == "auto: 16"
    assert "suits 840 rows" in shown["whole"]["info"]
    assert shown["word"]["choices"][0] == ("Auto: First", "")


def test_all_problems_stand_at_their_fields_and_the_rest_is_told_elsewhere(form: SettingsForm) -> None:
    problems = [
        FieldProblem("many.whole", "99 is too large."),
        FieldProblem("many.share", "Odd."),
        FieldProblem("base", "Gone."),
    ]
    marked = dict(zip([f.info.name for f in form.fields], form.marked(Holder(), None, problems), strict=True))
    assert "99 is too large" in marked["whole"]["info"]
    assert "ts-field-wrong" in marked["share"]["elem_classes"]
    assert "ts-field-wrong" not in marked["word"]["elem_classes"]
    assert "value" not in marked["whole"]
    assert form.elsewhere(problems) == [problems[2]]


def test_a_caution_stands_at_its_field_unless_a_problem_does(form: SettingsForm) -> None:
    cautions = [FieldProblem("many.whole", "That is a lot."), FieldProblem("many.share", "That is a lot.")]
    updates = form.marked(Holder(), None, [FieldProblem("many.share", "Odd.")], cautions)
    marked = dict(zip([f.info.name for f in form.fields], updates, strict=True))
    assert marked["whole"]["info"].startswith("**△ That is a lot.**")
    assert marked["whole"]["elem_classes"] == ["ts-field", "ts-field-caution"]
    assert marked["share"]["info"].startswith("**✕ Odd.**")
    assert marked["share"]["elem_classes"] == ["ts-field", "ts-field-wrong"]
    assert "△" not in marked["word"]["info"]


def test_help_term_range_and_unit_are_in_the_small_print() -> None:
    note = field_note(info("whole"))
    assert note == "A number. · *whole number* · 1 to 64 rows"


def test_a_bound_that_is_refused_is_not_told_or_offered_as_a_value() -> None:
    known = {field.name: field for field in describe(TrainingOptions)}
    assert "more than 0, up to 1" in field_note(known["learning_rate"])
    assert "more than 0, up to 1,000" in field_note(known["epochs"])
    top_p = next(field for field in describe(AnswerOptions) if field.name == "top_p")
    with gr.Blocks():
        slider = make_input(FormField("answers", top_p))
    assert slider.minimum > 0


# What gradio 6.31 looks for in the small print of a field, after it has escaped all HTML.
MARKS = (
    r"`([^`]+)`",
    r"\[([^\]]+)\]\(([^)]+)\)",
    r"\*\*(.+?)\*\*",
    r"__(.+?)__",
    r"\*(.+?)\*",
    r"(?<!\w)_(.+?)_(?!\w)",
)


@pytest.mark.parametrize("typed", ["**a**", "*a*", "`a`", "[x](y)", "__a__", "_a_", "a _b_ c"])
def test_what_a_person_typed_is_no_markup_in_the_small_print(typed: str) -> None:
    assert not [mark for mark in MARKS if re.search(mark, plain(typed))]


def test_what_a_person_typed_stands_there_as_it_was_typed() -> None:
    note = field_note(info("whole"), problem="'q_proj & <b>' is not a number.")
    assert note.startswith("**✕ 'q_proj & <b>' is not a number.** ")


def test_a_number_that_may_be_computed_is_never_a_slider() -> None:
    assert {i.name: widget_kind(i) for i in describe(TrainingOptions) if i.optional and i.kind in ("int", "float")} == {
        i.name: "number" for i in describe(TrainingOptions) if i.optional and i.kind in ("int", "float")
    }
    assert widget_kind(info("share")) == "slider"


def test_the_real_recipe_goes_through_the_form_unchanged() -> None:
    form = SettingsForm({"method": MethodOptions, "training": TrainingOptions})
    with gr.Blocks():
        form.simple()
        form.advanced()
    recipe = Recipe()
    collected = form.collect([update["value"] for update in form.filled(recipe, None)])
    assert MethodOptions.model_validate(collected["method"]) == recipe.method
    assert TrainingOptions.model_validate(collected["training"]) == recipe.training
