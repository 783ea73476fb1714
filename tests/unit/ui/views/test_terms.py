"""Technical words carry the glossary's sentence wherever a screen names one."""

import json
import re

import pytest

from studio.core.glossary import explain, key
from studio.evaluation.metrics import CAUSAL_LM_METRICS, CLASSIFICATION_METRICS
from studio.ui.live_chart import CURVE_WORDS, PANEL_WORDS
from studio.ui.theme import head
from studio.ui.views.export import PURPOSES
from studio.ui.views.html import Safe
from studio.ui.views.report_card import report_card
from studio.ui.views.terms import explained, script, term, words_line


def marked(markup: str) -> list[str]:
    return re.findall(r'<span class="ts-term" tabindex="0" role="term">([^<]*)</span>', markup)


def test_a_word_of_the_glossary_can_be_reached_and_any_other_is_plain() -> None:
    assert marked(term("rank")) == ["rank"]
    assert term("<b>flux</b>") == Safe("&lt;b&gt;flux&lt;/b&gt;")


def test_the_words_in_brackets_at_the_end_of_a_title_are_marked() -> None:
    title = explained("Right <always> (accuracy, of sorts)")
    assert marked(title) == ["accuracy"]
    assert re.sub("<[^>]*>", "", title) == "Right &lt;always&gt; (accuracy, of sorts)"
    assert explained("No brackets") == "No brackets"


@pytest.mark.parametrize("metrics", [CAUSAL_LM_METRICS, CLASSIFICATION_METRICS])
def test_every_number_of_the_report_card_has_its_word_explained(metrics) -> None:
    told = {
        name: {
            "title": m.title,
            "higher_is_better": m.higher_is_better,
            "base": {"value": 1.0},
            "tuned": {"value": 2.0},
        }
        for name, m in metrics.items()
    }
    card = report_card({"metrics": told, "rows": 10})
    titles = re.findall(r'<div class="ts-metric-title"><span>(.*?)</span><small>', card)
    assert len(titles) == len(metrics)
    assert all(marked(title) for title in titles)


def test_the_words_of_the_pictures_and_of_the_exports_are_explained() -> None:
    assert marked(words_line(*CURVE_WORDS, *PANEL_WORDS)) == [*CURVE_WORDS, *PANEL_WORDS]
    assert all(explain(purpose.term) for purpose in PURPOSES)


def test_the_page_holds_the_glossary_under_the_names_its_script_looks_for() -> None:
    words = json.loads(script().removeprefix("window.tailorGlossary=").removesuffix(";"))
    assert words[key("Early-Stopping_patience")] == explain("early-stopping patience")
    assert script() in head()
    assert head().count("<") == head().replace(script(), "").count("<"), "nothing in it can end the script"
