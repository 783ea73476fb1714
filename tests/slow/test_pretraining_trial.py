"""A base is tried as a newcomer would: tuned on the sample conversations, both models asked."""

import shutil

from studio.core.assets import assets_dir
from studio.core.workspace import Workspace
from studio.pretraining.model import build_model
from studio.pretraining.settings import Shape
from studio.pretraining.trial import QUESTIONS, trial_sentence, tune, write_trial

SHAPE = Shape(hidden_size=32, layers=1, heads=2, key_value_heads=1, head_dim=16, intermediate_size=64, context=256)


def test_tuning_notes_what_was_gained_and_answers_before_and_after(tmp_path):
    base = tmp_path / "tiny-0m"
    build_model(SHAPE, vocabulary=8192, seed=1).save_pretrained(base)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(assets_dir() / "base" / "seedling-5m" / file, base / file)
    result = tune(base, Workspace.open(tmp_path / "workspace"), preset="quick")
    perplexity = result["report"]["metrics"]["perplexity"]
    assert perplexity["tuned"]["value"] < perplexity["base"]["value"]
    assert len(result["answers"]) == QUESTIONS
    assert all(row["right"] for row in result["answers"])
    assert any(row["base"] != row["tuned"] for row in result["answers"])
    assert trial_sentence(result).startswith("Tuned with the Quick preset in ")
    write_trial(result, base)
    table = (base / "tuned_answers.md").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("| ") for line in table) == QUESTIONS + 2
