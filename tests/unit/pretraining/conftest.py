"""A work folder with a tiny corpus, made once: two text sources and one of dialogues."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import yaml

from studio.pretraining.corpus import prepare_source, read_documents
from studio.pretraining.packing import write_tokens
from studio.pretraining.settings import Settings, read_settings
from studio.pretraining.tokenizer import sample_texts, save_tokenizer, train_tokenizer

SETTINGS = {
    "name": "tiny",
    "corpus": {
        "held_out_share": 0.1,
        "sources": {
            "stories": {"file": "stories.jsonl", "title": "Stories", "licence": "CC0"},
            "talks": {"file": "talks.jsonl", "title": "Talks", "licence": "CC BY 4.0", "kind": "messages"},
        },
    },
    "tokenizer": {"vocabulary": 400, "sample_megabytes": 0.1},
    "shape": {
        "hidden_size": 32,
        "layers": 2,
        "heads": 2,
        "key_value_heads": 1,
        "head_dim": 16,
        "intermediate_size": 64,
        "context": 64,
    },
    "pretraining": {
        "warmup_steps": 2,
        "stable_steps": 8,
        "decay_steps": 4,
        "validate_every": 4,
        "validation_windows": 2,
        "log_every": 2,
        "stable": {"window": 16, "windows_per_step": 4, "mixture": {"stories": 0.6, "talks": 0.4}},
        "decay": {"window": 32, "windows_per_step": 2, "mixture": {"stories": 0.5, "talks": 0.5}},
    },
    "instruction": {
        "max_length": 64,
        "tokens_per_step": 128,
        "steps": 4,
        "warmup_steps": 1,
        "mixture": {"talks": 1.0},
        "text_mixture": {"stories": 1.0},
        "text_share": 0.5,
    },
}


@pytest.fixture(scope="session")
def tiny_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    path = tmp_path_factory.mktemp("settings") / "settings.yaml"
    path.write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    return read_settings(path)


@pytest.fixture(scope="session")
def tiny_work(tmp_path_factory: pytest.TempPathFactory, tiny_settings: Settings) -> Path:
    """Cleaned, split and tokenised; tests read it and write their runs elsewhere."""
    raw, work = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("work")
    chance = random.Random(1)
    words = ["fox", "crow", "tree", "river", "house", "lamp", "stone", "bird"]
    stories = [
        {"text": f"Story {n}. The " + " and the ".join(chance.choices(words, k=30)) + " met.", "source": f"s{n}"}
        for n in range(60)
    ]
    talks = [
        {
            "messages": [
                {"role": "user", "content": f"Where is the {chance.choice(words)} number {n}?"},
                {"role": "assistant", "content": f"By the {chance.choice(words)}, I think."},
            ]
        }
        for n in range(80)
    ]
    for name, rows in (("stories", stories), ("talks", talks)):
        (raw / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    for name, source in tiny_settings.corpus.sources.items():
        prepare_source(name, source, tiny_settings.corpus, raw, work / "text")
    texts = sample_texts(work / "text", {"stories": 1, "talks": 1}, 20_000)
    tokenizer = train_tokenizer(texts, tiny_settings.tokenizer.vocabulary)
    save_tokenizer(tokenizer, work / "tokenizer", tiny_settings.shape.context)
    for name in tiny_settings.corpus.sources:
        (work / "tokens" / name).mkdir(parents=True)
        for part in ("train", "held_out"):
            documents = read_documents(work / "text" / name / f"{part}.jsonl")
            write_tokens(tokenizer, documents, work / "tokens" / name / f"{part}.bin")
    return work
