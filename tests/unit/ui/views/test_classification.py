"""Class probabilities and confusion matrices of both models."""

from studio.ui.views import classification

REPORT = {"labels": ["a<", "b"], "confusion": {"base": [[1, 2], [3, 0]], "tuned": [[3, 0], [1, 2]]}}


def test_both_confusion_matrices_with_their_numbers() -> None:
    markup = classification.confusion(REPORT)
    assert "Base: 1 of 6 right" in markup
    assert "Tuned: 5 of 6 right" in markup
    assert "a&lt;" in markup
    assert classification.confusion({"labels": []}) == ""


def test_class_probabilities_of_both_and_the_answer_in_words() -> None:
    result = {
        "labels": ["<x>", "delivery"],
        "base": [0.6, 0.4],
        "tuned": [0.1, 0.9],
        "base_identity": "b · 1",
        "tuned_identity": "t · 2",
    }
    markup = classification.probabilities(result)
    assert "Tuned: delivery" in markup
    assert "Base: &lt;x&gt;" in markup
    assert "90 %" in markup
    assert "t · 2" in markup
    assert classification.likeliest(result) == {"base": "<x> (60 %)", "tuned": "delivery (90 %)"}
    assert "Type a text" in classification.probabilities(None)
