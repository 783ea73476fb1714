"""Text as it comes: whole characters, ends, stop texts."""

import pytest
import torch

from studio.inference.sampling import SharedDice
from studio.inference.streaming import IncrementalText, RowStream
from studio.inference.types import Sampling
from studio.models.load import load_tokenizer

TEXTS = [
    "A lamp for 12 €.",
    "日本語のランプ",
    "🪔🕯️ and 👩‍👩‍👧",
    "naïve — “quoted”\n\ttab",
    " leading space",
    "e\u0301 a\u030a",
]


@pytest.fixture(scope="module")
def tokenizer(base_path):
    return load_tokenizer(base_path)


@pytest.mark.parametrize("text", TEXTS)
def test_pieces_are_whole_characters_and_together_the_text(tokenizer, text):
    incremental = IncrementalText(tokenizer)
    pieces = [incremental.add(token) for token in tokenizer.encode(text, add_special_tokens=False)]
    assert not any("\ufffd" in piece for piece in pieces)
    assert "".join([*pieces, incremental.rest()]) == text


def test_half_a_character_at_the_end_is_told_as_such(tokenizer):
    ids = tokenizer.encode("🪔", add_special_tokens=False)
    assert len(ids) > 1
    incremental = IncrementalText(tokenizer)
    assert incremental.add(ids[0]) == ""
    assert incremental.rest() == "\ufffd"


def play(tokenizer, rows, **options):
    """Feed rows of token ids as ``generate`` would; what each row said, and when it ended."""
    told = [[] for _ in rows]
    stream = RowStream(tokenizer, len(rows), lambda row, *rest: told[row].append(rest), **{"limit": 100, "ends": frozenset({2}), **options})  # fmt: skip
    length = max(len(row) for row in rows)
    done = None
    for step in range(length):
        ids = torch.tensor([[0, row[step] if step < len(row) else 3] for row in rows])
        done = stream(ids, None)
    stream.finish()
    return ["".join(text for text, _, _ in row) for row in told], told, done


def test_each_row_ends_by_itself_and_padding_after_it_is_not_text(tokenizer):
    short, long = (tokenizer.encode(t, add_special_tokens=False) for t in ("Yes.", "No, not at all, never."))
    texts, told, done = play(tokenizer, [[*short, 2], [*long, 2]])
    assert texts == ["Yes.", "No, not at all, never."]
    assert done.tolist() == [True, True]
    assert [sum(end for _, end, _ in row) for row in told] == [1, 1]
    assert told[0][-1][2] == len(short)


def test_a_stop_text_ends_a_row_and_is_never_shown_not_even_its_beginning(tokenizer):
    ids = tokenizer.encode("Fine.</end> and more", add_special_tokens=False)
    texts, told, _ = play(tokenizer, [ids], stops=("</end>",))
    assert texts == ["Fine."]
    assert all("<" not in text for text, _, _ in told[0])


def test_what_only_looked_like_a_stop_text_is_shown(tokenizer):
    ids = tokenizer.encode("a </b> c </e", add_special_tokens=False)
    assert play(tokenizer, [ids], stops=("</end>",))[0] == ["a </b> c </e"]


def test_the_limit_ends_a_row(tokenizer):
    ids = tokenizer.encode("one two three four five six", add_special_tokens=False)
    _, told, done = play(tokenizer, [ids], limit=3)
    assert done.tolist() == [True]
    assert told[0][-1][1:] == (True, 3)


def test_the_dice_follow_the_probabilities():
    """Gumbel-max draws are draws from the softmax: frequencies over many steps match."""
    scores = torch.tensor([[2.0, 1.0, 0.0]])
    dice = SharedDice(Sampling(temperature=1, top_p=1), [0])
    drawn = torch.stack([dice(torch.zeros(1, 1, dtype=torch.long), scores.clone()).argmax(-1) for _ in range(4000)])
    frequencies = torch.bincount(drawn.flatten(), minlength=3) / 4000
    assert torch.allclose(frequencies, scores.softmax(-1)[0], atol=0.03)


def test_repetition_is_counted_without_the_padding():
    scores = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    dice = SharedDice(Sampling(temperature=0, repetition_penalty=2), [1, 0])
    result = dice(torch.tensor([[2, 1], [2, 1]]), scores.clone())
    assert result.tolist() == [[1.0, 1.0, 3.0], [1.0, 1.0, 1.5]]
