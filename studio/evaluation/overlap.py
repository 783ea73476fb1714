"""chrF: how much of one text's spelling is found in another, by letters and not words, so that it suits any language.

M. Popović, "chrF: character n-gram F-score for automatic MT evaluation", WMT 2015: n-grams of 1 to 6 characters, white
space left out, precision and recall averaged over n, recall counting twice (beta = 2).
"""

from __future__ import annotations

from collections import Counter

LONGEST = 6
BETA = 2


def chrf(answer: str, reference: str) -> float:
    """0 (nothing in common) to 100 (the same letters). Lengths for which either text is too short are left out."""
    answer, reference = "".join(answer.split()), "".join(reference.split())
    if not answer or not reference:
        return 100.0 if answer == reference else 0.0
    precisions, recalls = [], []
    for n in range(1, LONGEST + 1):
        said, wanted = _ngrams(answer, n), _ngrams(reference, n)
        if not said or not wanted:
            continue
        common = (said & wanted).total()
        precisions.append(common / said.total())
        recalls.append(common / wanted.total())
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    if precision + recall == 0:
        return 0.0
    return 100 * (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)


def _ngrams(text: str, n: int) -> Counter[str]:
    return Counter(text[i : i + n] for i in range(len(text) - n + 1))
