import pytest

from studio.core.glossary import explain, glossary, load, parse
from studio.core.options import describe
from studio.core.recipe import SECTIONS
from studio.ui.sampling import AnswerOptions


def test_every_term_of_every_setting_is_explained():
    terms = {info.term for section in (*SECTIONS.values(), AnswerOptions) for info in describe(section) if info.term}
    assert {term for term in terms if not explain(term)} == set()


def test_explanations_are_one_plain_sentence():
    for term, sentence in glossary().items():
        assert sentence.endswith("."), term
        assert sentence.count(". ") == 0, term
        assert len(sentence) <= 160, term


@pytest.mark.parametrize("term", ["learning rate", "Learning-Rate", "learning_rate"])
def test_a_term_is_found_however_it_is_written(term):
    assert explain(term).startswith("How big a step")


def test_a_word_nobody_uses_has_no_explanation():
    assert explain("flux capacitor") == ""


def test_one_heading_may_name_several_words(tmp_path):
    path = tmp_path / "words.md"
    path.write_text("# Words\n\nSome text.\n\n## one / two\nBoth\nof them.\n\n## three\nAlone.\n")
    assert load(path) == {"one": "Both of them.", "two": "Both of them.", "three": "Alone."}


@pytest.mark.parametrize("text", ["## a\n\n## b\nB.", "## a\nA.\n## A\nB."])
def test_missing_and_double_explanations_are_refused(text):
    with pytest.raises(ValueError, match="expla"):
        parse(text)
