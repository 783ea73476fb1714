"""What is exported is a model folder that every tool can open; the evaluation and the card read it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from studio.core.errors import ModelError, StudioError
from studio.models.folder import inspect_folder
from studio.pretraining.card import card_text
from studio.pretraining.corpus import read_pairs
from studio.pretraining.evaluate import PROMPTS, answers_table, evaluate, read_prompts, write_evaluation
from studio.pretraining.export import adopt, export
from studio.pretraining.pretrain import Job, checkpoint_path, train_phase
from studio.pretraining.probe import passages
from studio.pretraining.settings import Settings, read_settings


@pytest.fixture(scope="module")
def exported(tiny_settings: Settings, tiny_work: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run, folder = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("export") / "tiny-0m"
    train_phase("stable", Job(tiny_settings, tiny_work / "tokens", run, lambda *a, **k: None, steps=2))
    export(tiny_settings, checkpoint_path(run, "stable"), tiny_work / "tokenizer", folder)
    return folder


def test_the_export_loads_and_answers(exported: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(exported)
    model = AutoModelForCausalLM.from_pretrained(exported)
    assert model.dtype == torch.bfloat16
    assert model.config.model_type == "llama"
    chat = [{"role": "user", "content": "Where is the fox?"}]
    inputs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    output = model.generate(**inputs, max_new_tokens=3)
    assert output.shape[1] <= inputs["input_ids"].shape[1] + 3
    assert model.generation_config.do_sample


def test_a_released_model_can_be_gone_on_from(
    exported: Path, tiny_settings: Settings, tiny_work: Path, tmp_path: Path
) -> None:
    (tmp_path / "tokens").symlink_to(tiny_work / "tokens")
    adopt(tiny_settings, exported, tmp_path, tmp_path / "run")
    assert (tmp_path / "tokenizer" / "chat_template.jinja").is_file()
    job = Job(tiny_settings, tmp_path / "tokens", tmp_path / "run", lambda *a, **k: None)
    assert train_phase("decay", job).tokens == 4 * 2 * 32


def test_a_base_of_another_shape_is_refused(exported: Path, tiny_settings: Settings, tmp_path: Path) -> None:
    shape = tiny_settings.shape.model_copy(update={"layers": 3})
    with pytest.raises(ModelError, match="another shape"):
        adopt(tiny_settings.model_copy(update={"shape": shape}), exported, tmp_path, tmp_path / "run")


def test_evaluation_gives_the_same_numbers_to_the_same_model(
    exported: Path, tiny_work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studio.pretraining.evaluate.read_prompts", lambda: ["Where is the fox?"])
    result: Any = evaluate(exported, exported, tiny_work / "text", ["stories", "talks"], characters=600)
    assert result["losses"]["base"] == result["losses"]["other"]
    assert result["losses"]["base"]["stories"]["bits_per_byte"] > 0
    assert len(result["answers"]["base"]) == 1
    write_evaluation(result, tmp_path)
    assert (tmp_path / "answers.md").read_text(encoding="utf-8").count("\n") == 3


def test_answers_stand_in_one_row_each() -> None:
    table = answers_table(
        {"base": "a", "other": "b", "prompts": ["p|q"], "answers": {"base": ["x\ny"], "other": ["z"]}}
    )
    assert table.splitlines()[2] == "| p\\|q | x y | z |"


def test_the_card_names_every_source_with_its_licence(exported: Path, tiny_settings: Settings, tiny_work: Path) -> None:
    text = card_text(tiny_settings, tiny_work, exported.parent, exported)
    for source in tiny_settings.corpus.sources.values():
        assert source.title in text
        assert source.licence in text
    (exported / "README.md").write_text(text, encoding="utf-8")
    assert inspect_folder(exported).licence == "cc-by-sa-4.0"


LITTLE_WORDS = (
    "a an the of to in on for is are do does did can could would should i you me my your we it that this what how why who "
    "where when which tell about something give please some there be was at with and or from explain have has hi any will "
    "name write today"
)


def subject(question: str) -> frozenset[str]:
    """The words a question is about, without their plural."""
    return frozenset(
        w.rstrip("s") for w in re.findall(r"[a-z0-9']+", question.lower()) if w not in LITTLE_WORDS.split()
    )


def test_there_are_fifty_different_prompts_and_none_nor_a_paraphrase_is_in_our_own_training_text() -> None:
    prompts = read_prompts()
    assert len(set(prompts)) == 50
    exam = {prompt: subject(prompt) for prompt in prompts}
    asked = {row["messages"][0]["content"] for row in read_pairs(PROMPTS.with_name("everyday"))}
    assert len(asked) > 300
    alike = [
        (question, prompt)
        for question, words in ((q, subject(q)) for q in asked)
        for prompt, wanted in exam.items()
        if words and len(words & wanted) / len(words | wanted) > 0.75
    ]
    assert not alike


def test_probe_passages_are_short_whole_sentences(tmp_path: Path) -> None:
    good = "The " + "old miller walked to the river and back again. " * 5
    path = tmp_path / "held_out.jsonl"
    path.write_text(
        "\n".join(f'{{"text": "{text}", "source": "s"}}' for text in (good, "Too short.", good.replace(".", ""), good)),
        encoding="utf-8",
    )
    assert passages(path) == [(good.strip(), "s")]


def test_settings_that_extend_others_change_only_what_they_name(tmp_path: Path) -> None:
    path = tmp_path / "more.yaml"
    shipped = Path(__file__).parents[3] / "studio" / "pretraining" / "settings.yaml"
    path.write_text(
        f"extends: {shipped}\nshape: {{layers: 3}}\npretraining: {{decay: {{mixture: {{dolly: 1}}}}}}\n",
        encoding="utf-8",
    )
    changed, before = read_settings(path), read_settings()
    assert (changed.shape.layers, changed.shape.hidden_size) == (3, before.shape.hidden_size)
    assert changed.pretraining.decay.mixture == {"dolly": 1}
    assert changed.pretraining.stable == before.pretraining.stable


def test_the_shipped_settings_hold_and_unknown_ones_are_named(tmp_path: Path) -> None:
    assert read_settings().used_sources()
    path = tmp_path / "bad.yaml"
    path.write_text("name: x\nspeed: 3\n", encoding="utf-8")
    with pytest.raises(StudioError, match=r"(?s)speed.*|.*corpus"):
        read_settings(path)
