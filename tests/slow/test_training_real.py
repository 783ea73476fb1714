"""The embedded base on the sample data, for real."""

from __future__ import annotations

import csv
import json
import random

import pytest

from studio.core.assets import assets_dir, sample_data_dir
from studio.core.recipe import Recipe
from studio.data.types import Splits
from studio.training.calibrate import calibrate
from studio.training.causal_lm import prepare_causal_lm
from studio.training.engine import train
from studio.training.sequence_classification import prepare_classifier
from studio.training.types import TrainJob

pytestmark = pytest.mark.slow
BASE = assets_dir() / "base" / "seedling-5m"


def job_for(folder, task, splits, method, rate, epochs):
    recipe = Recipe.from_dict(
        {
            "task": task,
            "method": {"kind": method},
            "training": {"epochs": epochs, "learning_rate": rate, "batch_size": 16, "max_length": 512},
        }
    )
    events = []
    job = TrainJob(recipe, BASE, splits, folder, lambda kind, **fields: events.append({"kind": kind, **fields}))
    return job, events


def split(examples):
    random.Random(0).shuffle(examples)
    tenth = len(examples) // 10
    return Splits(train=examples[2 * tenth :], validation=examples[tenth : 2 * tenth], test=examples[:tenth])


@pytest.mark.parametrize(("method", "rate"), [("full", 5e-4), ("lora", 2e-3)])
def test_the_sample_conversations(tmp_path, method, rate):
    lines = (sample_data_dir() / "support_chat.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    splits = split(
        [
            {
                "row": i,
                "messages": [
                    {"role": "user", "content": row["question"]},
                    {"role": "assistant", "content": row["answer"]},
                ],
            }
            for i, row in enumerate(rows)
        ]
    )
    job, events = job_for(tmp_path / "run", "chat", splits, method, rate, epochs=3)
    result = train(prepare_causal_lm, job)
    before = next(event["validation_loss"] for event in events if "validation_loss" in event)
    assert result.fast_path
    assert result.best_validation_loss < before - 1
    assert calibrate(prepare_causal_lm, job.recipe, BASE, splits).tokens_per_second > 0


def test_the_sample_tickets(tmp_path):
    with (sample_data_dir() / "ticket_labels.csv").open(encoding="utf-8") as file:
        rows = [list(row.values())[:2] for row in csv.DictReader(file)]
    splits = split([{"row": i, "text": text, "label": label} for i, (text, label) in enumerate(rows)])
    job, events = job_for(tmp_path / "run", "text_classification", splits, "full", 5e-4, epochs=4)
    train(prepare_classifier, job)
    chance = 1 / len({label for _, label in rows})
    assert max(event["validation_accuracy"] for event in events if "validation_accuracy" in event) > 2 * chance
