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


def test_many_labels_tell_the_mixed_up_pairs_first_and_fold_the_tables_away() -> None:
    size = classification.FEW_LABELS + 1
    labels = [f"label {i}" for i in range(size)]
    right = [[5 if r == c else 0 for c in range(size)] for r in range(size)]
    tuned = [row.copy() for row in right]
    tuned[2][7], tuned[3][1] = 4, 1
    markup = classification.confusion({"labels": labels, "confusion": {"base": right, "tuned": tuned}})
    mixed, tables = markup.split("<details")
    assert mixed.index("label 7") < mixed.index("label 1<")
    assert "4 of 9" in mixed
    assert "0 of 5" in mixed
    assert "label 5" not in mixed
    assert f"{size} × {size}" in tables
    assert "Nothing:" in classification.confusion({"labels": labels, "confusion": {"base": right, "tuned": right}})
