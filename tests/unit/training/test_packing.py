from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from studio.training.packing import (
    IGNORED,
    Rows,
    deal,
    evaluation_packs,
    filler_for,
    flat_batch,
    make_plan,
    padded_batch,
    row_labels,
)

LENGTHS = np.random.default_rng(0).lognormal(4.5, 0.7, 500).astype(int).clip(4, 512)


def plan(lengths=LENGTHS, **changes):
    values = {"batch_size": 8, "packs_per_step": 1, "epochs": 1.0, "max_steps": None, "seed": 1} | changes
    return make_plan(lengths, **values)


@pytest.mark.parametrize("by_length", [False, True])
@pytest.mark.parametrize(("batch_size", "packs_per_step"), [(8, 1), (3, 4), (1, 1), (1000, 2)])
def test_every_row_once_an_epoch(batch_size, packs_per_step, by_length):
    made = plan(batch_size=batch_size, packs_per_step=packs_per_step, by_length=by_length)
    assert sorted(row for pack in made.packs for row in pack) == list(range(500))
    assert made.steps == made.steps_per_epoch == -(-500 // (batch_size * packs_per_step))
    assert len(made.packs) == made.steps * packs_per_step


def test_batch_size_is_the_average_and_tokens_are_even():
    made = plan(batch_size=8)
    tokens = [LENGTHS[pack].sum() for pack in made.packs]
    assert np.mean([len(pack) for pack in made.packs]) == pytest.approx(8, abs=0.2)
    assert max(tokens) <= max(1.25 * 8 * LENGTHS.mean(), LENGTHS.max())


def test_the_plan_is_a_function_of_the_seed():
    assert plan(epochs=2.5).packs == plan(epochs=2.5).packs
    assert plan().packs != plan(seed=2).packs


def test_epochs_differ_and_may_end_within_one():
    made = plan(epochs=2.5)
    first = made.packs[: made.steps_per_epoch]
    second = made.packs[made.steps_per_epoch : 2 * made.steps_per_epoch]
    assert first != second
    assert sorted(chain(*second)) == list(range(500))
    assert made.steps == round(2.5 * made.steps_per_epoch + 0.49)


def test_max_steps_overrides_epochs():
    assert plan(max_steps=5).steps == 5
    assert plan(max_steps=200).steps == 200
    assert len(plan(max_steps=200).packs) == 200


def test_halving_the_batch_and_doubling_accumulation_gives_the_same_steps():
    whole, halves = plan(batch_size=8, packs_per_step=1), plan(batch_size=4, packs_per_step=2)
    assert whole.steps == halves.steps
    for step in range(whole.steps):
        assert sorted(whole.packs[step]) == sorted(halves.packs[2 * step] + halves.packs[2 * step + 1])


def test_rows_fewer_than_micro_batches_leave_empty_ones():
    made = plan(np.array([5, 6, 7]), batch_size=1, packs_per_step=4)
    assert len(made.packs) == 4
    assert sorted(chain(*made.packs)) == [0, 1, 2]
    assert [] in made.packs


def test_deal_gives_equal_counts():
    counts = [len(part) for part in deal(range(10), np.arange(1, 11), 3)]
    assert sorted(counts) == [3, 3, 4]


def test_evaluation_packs_hold_their_capacity():
    packs = evaluation_packs(LENGTHS, 600)
    assert sorted(chain(*packs)) == list(range(500))
    assert max(LENGTHS[pack].sum() for pack in packs) <= 600


def test_a_row_longer_than_the_capacity_stands_alone():
    assert evaluation_packs(np.array([10, 900, 10]), 100) == [[0, 2], [1]]


ROWS = Rows([([5, 6, 7], [IGNORED, 6, 7]), ([8, 9, 10, 11], [IGNORED, IGNORED, 10, 11])])


def test_flat_batch():
    batch = flat_batch(ROWS, [1, 0], next_token=True)
    assert batch["input_ids"].tolist() == [[8, 9, 10, 11, 5, 6, 7]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 0, 1, 2]]
    assert list(batch["doc_lens"]) == [4, 3]
    assert batch["logits_to_keep"].tolist() == [1, 2, 4, 5]
    assert batch["doc_lens"].boundaries(batch["input_ids"].device).tolist() == [0, 4, 7]


@pytest.mark.parametrize("tokens", [1, 7, 63, 64, 500, 1201, 9999])
def test_few_different_lengths_for_little_padding(tokens):
    rounded = tokens + filler_for(tokens)
    assert tokens <= rounded <= tokens * 1.032
    assert len({n + filler_for(n) for n in range(1024, 2048)}) <= 33


def test_the_filler_is_a_document_of_its_own():
    rows = Rows([(list(range(3, 104)), list(range(3, 104)))])
    batch = flat_batch(rows, [0], next_token=True)
    assert list(batch["doc_lens"]) == [101, 1]
    assert (batch["labels"][0, 101:] == IGNORED).all()
    assert batch["input_ids"].shape == batch["labels"].shape == batch["position_ids"].shape


def test_an_empty_pack_has_nothing_to_learn():
    batch = flat_batch(ROWS, [], next_token=True)
    assert batch["input_ids"].shape == (1, 1)
    assert (batch["labels"] == IGNORED).all()
    assert len(batch["logits_to_keep"]) == 0


def test_padded_batch():
    batch = padded_batch(ROWS, [0, 1], pad_id=3)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 3], [8, 9, 10, 11]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert batch["labels"].tolist() == [[IGNORED, 6, 7, IGNORED], [IGNORED, IGNORED, 10, 11]]


def test_row_labels_are_found_where_they_stand():
    rows = Rows([([5, 6], [IGNORED, 0]), ([8], [2])])
    assert row_labels(padded_batch(rows, [0, 1], pad_id=3))["labels"].tolist() == [0, 2]


def test_rows_count_what_is_learned():
    assert (len(ROWS), ROWS.tokens, ROWS.learned) == (2, 7, 4)
