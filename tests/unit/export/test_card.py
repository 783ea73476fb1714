"""The model card: a head the Hub can read, the facts, and nothing a data set could smuggle in."""

import json

import pytest
import yaml

from studio.core.recipe import Recipe
from studio.export import source as sources
from studio.export.card import hub_licence, model_card, plain
from studio.export.source import Source


@pytest.fixture
def source(make_run):
    return Source.open(make_run())


def head_of(card):
    assert card.startswith("---\n")
    return yaml.safe_load(card.split("---\n")[1])


def test_the_head_parses_and_says_what_the_hub_asks(source):
    head = head_of(model_card(source, "adapter", []))
    assert head["license"] == "cc-by-sa-4.0"
    assert head["base_model"] == "seedling-5m"
    assert head["library_name"] == "peft"
    assert head["pipeline_tag"] == "text-generation"
    assert "lora" in head["tags"]
    assert head_of(model_card(source, "merged", []))["library_name"] == "transformers"


def test_a_classifier_says_so(make_run):
    card = model_card(Source.open(make_run("text_classification", "full")), "merged", [])
    assert head_of(card)["pipeline_tag"] == "text-classification"
    assert "late &lt;b&gt;repair&lt;/b&gt;" in card


def test_the_check_is_told_with_the_number_format_it_was_made_in(make_run, monkeypatch):
    run = make_run()
    assert "both computing in float32. The answers were the same." in model_card(Source.open(run), "merged", [])
    monkeypatch.setattr(sources, "EXACT_PARAMETERS", 1000)
    rounded = model_card(Source.open(run), "merged", [])
    assert "both computing in bfloat16. The merged weights are rounded" in rounded
    assert "single words of an answer may differ" in rounded


def test_a_rounded_classifier_speaks_of_labels_not_of_words(make_run, monkeypatch):
    monkeypatch.setattr(sources, "EXACT_PARAMETERS", 1000)
    card = model_card(Source.open(make_run("text_classification", "lora")), "merged", [])
    assert "a probability may differ by up to 0.05; the labels were the same" in card


def test_the_facts_are_told(source):
    card = model_card(source, "merged", [("model.safetensors", "the whole model")])
    for fact in (
        "0123456789abcdef", "40 rows", "6 rows", "drop\\_duplicates", "2e-4: suggested for LoRA on 40 rows", "| max length | 128 | set in the recipe |", "| seed | 42 | default |", "3.2 (3 to 3.4)", "not a number",
        "A little better.", "CC-BY-SA-4.0", "the studio does not know the licence of the data", "million weights", "step 20", "`model.safetensors`: the whole model",
    ):  # fmt: skip
        assert fact in card, fact


def test_names_from_outside_are_escaped(source):
    card = model_card(source, "merged", [])
    assert "<script>" not in card
    assert "# Support \\*answers\\* &lt;script&gt;" in card
    assert "Q\\|A \\[draft\\].csv" in card
    assert "/somewhere/private" not in card


def test_the_curve_is_thinned_and_ends_with_the_last_check(source):
    lines = model_card(source, "merged", []).partition("| step | training loss")[2].splitlines()
    points = [line for line in lines[2:] if line.startswith("|")]
    assert 2 < len([p for p in points if p.count("|") == 4][:20]) <= 11
    assert any(line.startswith("| 40 |") for line in points)


def test_without_a_report_it_says_that_nothing_was_measured(source):
    (source.run_dir / "report.json").unlink()
    assert "It was not measured" in model_card(source, "merged", [])


def test_a_verdict_without_numbers(source):
    (source.run_dir / "report.json").write_text(json.dumps({"rows": 0, "metrics": {}, "verdict": "Nothing held back."}))
    assert "Nothing held back." in model_card(source, "merged", [])


def test_no_prompts_of_the_data_in_the_card(source):
    recipe = Recipe.load(source.run_dir / "recipe.yaml")
    recipe.training.sample_prompts = ["Where does Mrs Smith live?"]
    recipe.save(source.run_dir / "recipe.yaml")
    assert "Mrs Smith" not in model_card(Source.open(source.run_dir), "adapter", [])


@pytest.mark.parametrize(
    ("licence", "hub"),
    [
        ("Apache-2.0", "apache-2.0"), ("MIT", "mit"), ("Llama 3.2 Community License", "llama3.2"), ("Gemma Terms of Use", "gemma"),
        ("Llama 9.9 Community License", "other"), ("not stated", "other"),
    ],
)  # fmt: skip
def test_licences_as_the_hub_spells_them(licence, hub):
    assert hub_licence(licence) == hub


def test_plain_text_stays_on_one_line_and_inert():
    assert plain("a\n# b | <i>c</i> [x](y)") == "a \\# b \\| &lt;i&gt;c&lt;/i&gt; \\[x\\](y)"
    assert len(plain("x" * 999)) == 200
