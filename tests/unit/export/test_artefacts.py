"""Exports: what is in the zip, that it answers as the app does, and that nothing is offered when it does not."""

import csv
import hashlib
import io
import json
import os
import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from studio.core import hardware
from studio.core.errors import ExportError
from studio.core.recipe import Recipe
from studio.export import archive, artefacts, weights
from studio.export import source as sources
from studio.export.artefacts import export
from studio.export.sizes import zip_size
from studio.models.folder import SOURCE_FILE

TEXTS = {"README.md", "recipe.yaml", "try_it.py", "environment.txt"}


def names_in(path):
    with zipfile.ZipFile(path) as archive_file:
        assert archive_file.testzip() is None
        return {name.partition("/")[2] for name in archive_file.namelist()}


def unpacked(path, folder):
    with zipfile.ZipFile(path) as archive_file:
        archive_file.extractall(folder)
    (inner,) = folder.iterdir()
    return inner


def ask(folder, monkeypatch, capsys, *words):
    """Run try_it.py here, which spares loading torch again."""
    monkeypatch.setattr(sys, "argv", ["try_it.py", *words])
    capsys.readouterr()
    runpy.run_path(str(folder / "try_it.py"), run_name="__main__")
    return capsys.readouterr().out.strip()


def ask_in_a_terminal(folder, *words):
    """Run try_it.py as anybody would, without a network."""
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "try_it.py", *words], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def nothing_left(run):
    return [p.name for p in (run / "exports").iterdir()] == []


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_merged_chat_model_is_whole_checked_and_runs(make_run, tmp_path, method):
    run, told = make_run("chat", method), []
    result = export(run, "merged", lambda fraction, message: told.append((fraction, message)))
    assert result.checked
    assert result.path == run / "exports" / "support-3-merged.zip"
    assert result.size == result.path.stat().st_size
    assert result.sha256 == hashlib.sha256(result.path.read_bytes()).hexdigest()
    assert result.parity["identical"]
    assert result.parity["largest_difference"] <= 0.01
    assert result.parity["dtype"] == "float32"
    wanted = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"}
    assert names_in(result.path) >= TEXTS | wanted
    assert [fraction for fraction, _ in told] == sorted(fraction for fraction, _ in told)
    assert told[-1][0] == 1
    assert [p.name for p in (run / "exports").iterdir()] == ["support-3-merged.zip"]
    folder = unpacked(result.path, tmp_path / "out")
    assert AutoModelForCausalLM.from_pretrained(folder).dtype == torch.float32


def test_an_adapter_brings_its_base_when_the_base_is_not_on_the_hub(make_run, tmp_path):
    run = make_run()
    result = export(run, "adapter")
    assert result.checked
    assert result.parity["largest_difference"] <= 1e-4
    assert names_in(result.path) >= TEXTS | {
        "adapter_config.json",
        "adapter_model.safetensors",
        "base/model.safetensors",
    }
    folder = unpacked(result.path, tmp_path / "out")
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == "base"
    assert ask_in_a_terminal(folder, "What", "does", "a", "lamp", "cost?")


def test_labels_survive_in_adapter_and_merged(make_run, tmp_path, monkeypatch, capsys):
    run = make_run("text_classification", "lora")
    for kind in ("adapter", "merged"):
        result = export(run, kind)
        assert result.parity["compared"] == "3 labels"
        answer = ask(unpacked(result.path, tmp_path / kind), monkeypatch, capsys, "my parcel is late")
        assert "late <b>repair</b>" in answer
        assert len(answer.splitlines()) == 3


def test_a_full_classifier(make_run):
    assert export(make_run("text_classification", "full"), "merged").parity["largest_difference"] <= 1e-5


def test_a_bundle_holds_everything_and_both_models_run(make_run, tmp_path, monkeypatch, capsys):
    run = make_run()
    result = export(run, "bundle")
    assert set(result.parity) == {"equal", "adapter", "model"}
    papers = {"report.json", "predictions.jsonl", "events.jsonl", "loss_curve.csv", "splits.json"}
    models = {
        "adapter/adapter_model.safetensors",
        "adapter/base/model.safetensors",
        "adapter/try_it.py",
        "model/model.safetensors",
    }
    assert names_in(result.path) >= TEXTS | papers | models
    folder = unpacked(result.path, tmp_path / "out")
    curve = list(csv.DictReader(io.StringIO((folder / "loss_curve.csv").read_text())))
    assert len(curve) == 60
    assert curve[0]["loss"] == "2.98"
    splits = json.loads((folder / "splits.json").read_text())
    assert splits["splits"]["train"]["rows"] == 40
    assert splits["splits"]["test"]["sha256"] == hashlib.sha256((run / "data" / "test.jsonl").read_bytes()).hexdigest()
    assert ask(folder, monkeypatch, capsys) == ask(folder / "adapter", monkeypatch, capsys)
    with zipfile.ZipFile(result.path) as archive_file:
        for info in archive_file.infolist():
            dense = info.filename.endswith(".safetensors")
            assert info.compress_type == (zipfile.ZIP_STORED if dense else zipfile.ZIP_DEFLATED)
            assert not info.filename.endswith((".bin", ".pt", ".pkl", ".pth"))
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in (".json", ".yaml", ".md", ".py", ".txt", ".jinja", ".jsonl"):
            text = path.read_text()
            for private in ("/somewhere/private", str(sources.Source.open(run).base_path.parent), str(tmp_path)):
                assert private not in text, path.name
    recipe = Recipe.load(folder / "recipe.yaml")
    assert recipe.data.sources[0].path == "Q|A [draft].csv"
    assert recipe.training.learning_rate == 2e-4


def test_a_bundle_of_a_full_run_has_one_model(make_run):
    names = names_in(export(make_run("chat", "full"), "bundle").path)
    assert "model/model.safetensors" in names
    assert not any(name.startswith("adapter") for name in names)


def test_the_system_prompt_goes_into_the_check_and_the_script(make_run, tmp_path, monkeypatch, capsys):
    run = make_run()
    recipe = Recipe.load(run / "recipe.yaml")
    recipe.data.system_prompt = 'Answer as "Otto".\nBe kind.'
    recipe.save(run / "recipe.yaml")
    folder = unpacked(export(run, "adapter").path, tmp_path / "out")
    assert repr(recipe.data.system_prompt) in (folder / "try_it.py").read_text()
    assert ask(folder, monkeypatch, capsys)


def test_a_base_without_a_chat_template_gets_the_one_that_training_used(make_run, tmp_path):
    run, base = make_run("chat", "full"), tmp_path / "plain-base"
    shutil.copytree(sources.Source.open(run).base_path, base)
    (base / "chat_template.jinja").unlink()
    (run / "model" / "chat_template.jinja").unlink()
    tailor = json.loads((run / "model" / "tailor.json").read_text())
    (run / "model" / "tailor.json").write_text(json.dumps(tailor | {"base_path": str(base)}))
    result = export(run, "merged")
    assert result.parity["identical"]
    assert "chat_template.jinja" in names_in(result.path)


def test_without_rows_the_check_asks_questions_of_its_own(make_run):
    run = make_run()
    shutil.rmtree(run / "data")
    assert export(run, "adapter").parity["compared"] == "3 greedy answers"


def test_a_large_base_is_merged_in_its_own_format_and_says_so(make_run, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "EXACT_PARAMETERS", 1000)
    result = export(make_run(), "merged")
    assert result.parity["dtype"] == "bfloat16"
    assert 0 < result.parity["largest_difference"] <= result.parity["allowed"]
    folder = unpacked(result.path, tmp_path / "out")
    assert next(iter(load_file(folder / "model.safetensors").values())).dtype == torch.bfloat16
    card = (folder / "README.md").read_text()
    assert "rounded to bfloat16" in card
    assert "both computing in bfloat16" in card


def test_a_model_in_several_parts_stays_in_several_parts(make_run, monkeypatch):
    monkeypatch.setattr(weights, "SHARD_SIZE", "8MB")
    names = names_in(export(make_run(), "merged").path)
    assert "model.safetensors.index.json" in names
    assert sum(name.endswith(".safetensors") for name in names) > 1


# -- what must not be offered ------------------------------------------------------------------------------------------


def test_no_model_yet(make_run):
    run = make_run()
    shutil.rmtree(run / "model")
    with pytest.raises(ExportError, match="no model yet"):
        export(run, "adapter")


def test_no_adapter_in_a_full_run(make_run):
    with pytest.raises(ExportError, match="no adapter"):
        export(make_run("chat", "full"), "adapter")


def test_a_kind_nobody_knows(make_run):
    with pytest.raises(ExportError, match="no such export"):
        export(make_run(), "floppy")


def test_a_base_that_is_gone(make_run):
    run = make_run()
    tailor = json.loads((run / "model" / "tailor.json").read_text())
    (run / "model" / "tailor.json").write_text(json.dumps(tailor | {"base_path": str(run / "nowhere")}))
    recipe = Recipe.load(run / "recipe.yaml")
    recipe.base.id, recipe.base.path = "someone/gone", None
    recipe.save(run / "recipe.yaml")
    with pytest.raises(ExportError, match="studio fetch someone/gone"):
        export(run, "merged")


def test_a_run_from_another_machine_finds_its_base_where_it_was_downloaded(make_run, tmp_path):
    carried = tmp_path / "workspace" / "runs" / "carried"
    shutil.copytree(make_run(), carried)
    tailor = json.loads((carried / "model" / "tailor.json").read_text())
    (carried / "model" / "tailor.json").write_text(json.dumps(tailor | {"base_path": "/elsewhere"}))
    recipe = Recipe.load(carried / "recipe.yaml")
    recipe.base.id, recipe.base.path = "someone/base", "/elsewhere"
    recipe.save(carried / "recipe.yaml")
    fetched = tmp_path / "workspace" / "models" / "someone--base"
    fetched.mkdir(parents=True)
    (fetched / "config.json").write_text("{}")
    (fetched / SOURCE_FILE).write_text("{}")
    assert sources.Source.open(carried).base_path == fetched


def test_a_full_disk_is_told_before_anything_is_written(make_run, monkeypatch):
    run = make_run()
    monkeypatch.setattr(hardware, "free_disk_gib", lambda path: 0.001)
    with pytest.raises(ExportError, match="not enough room") as told:
        export(run, "merged")
    assert told.value.code == "disk_full"
    assert nothing_left(run)


def test_a_disk_that_fills_up_meanwhile_leaves_nothing_behind(make_run, monkeypatch):
    run = make_run()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(archive.zipfile.ZipFile, "open", full)
    with pytest.raises(ExportError, match="could not be written") as told:
        export(run, "adapter")
    assert told.value.code == "disk_full"
    assert nothing_left(run)


@pytest.mark.parametrize(("method", "name"), [("lora", "adapter_model.safetensors"), ("full", "model.safetensors")])
@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
def test_damaged_weights(make_run, method, name, damage):
    run = make_run("chat", method)
    path = run / "model" / name
    content = path.read_bytes()
    path.write_bytes({"cut": content[: len(content) // 2], "noise": b"\xff" * 5000, "empty": b""}[damage])
    with pytest.raises(ExportError) as told:
        export(run, "merged")
    assert told.value.what_to_do
    assert not (run / "exports").exists() or nothing_left(run)


def test_an_export_that_answers_differently_is_not_offered(make_run, monkeypatch):
    run = make_run()
    merge = weights.merge

    def merge_badly(source, target):
        merge(source, target)
        state = load_file(target / "model.safetensors")
        state["model.norm.weight"] = state["model.norm.weight"].flip(0).contiguous()
        save_file(state, target / "model.safetensors", {"format": "pt"})

    monkeypatch.setattr(weights, "merge", merge_badly)
    with pytest.raises(ExportError, match="does not answer as the app does") as told:
        export(run, "merged")
    assert told.value.code == "parity"
    assert "differs from word piece" in told.value.what_happened
    assert nothing_left(run)


def test_weights_of_nan_are_not_offered(make_run):
    run = make_run("chat", "full")
    state = load_file(run / "model" / "model.safetensors")
    state["model.norm.weight"].fill_(float("nan"))
    save_file(state, run / "model" / "model.safetensors", {"format": "pt"})
    with pytest.raises(ExportError):
        export(run, "merged")
    assert nothing_left(run)


def test_another_chat_template_is_noticed(make_run):
    run = make_run()
    template = run / "model" / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|im_start|>", "<|im_start|>The "))
    with pytest.raises(ExportError, match="chat template"):
        export(run, "adapter")


def test_an_earlier_export_stays_when_a_new_one_fails(make_run, monkeypatch):
    run = make_run()
    before = export(run, "adapter")
    monkeypatch.setattr(artefacts.parity, "compare", lambda *_, **__: (_ for _ in ()).throw(ExportError("No")))
    with pytest.raises(ExportError):
        export(run, "adapter")
    assert hashlib.sha256(before.path.read_bytes()).hexdigest() == before.sha256


def test_leftovers_of_a_killed_export_are_swept_up(make_run):
    run = make_run()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    leftover = run / "exports" / f".work-merged-{dead.pid}"
    leftover.mkdir(parents=True)
    export(run, "adapter")
    assert not leftover.exists()


def test_a_hub_base_is_named_and_not_packed(make_run, monkeypatch):
    run = make_run()
    monkeypatch.setattr(sources.Source, "hub_id", "someone/seedling")
    result = export(run, "adapter")
    with zipfile.ZipFile(result.path) as archive_file:
        script = archive_file.read("support-3-adapter/try_it.py").decode()
        head = archive_file.read("support-3-adapter/README.md").decode().split("---")[1]
    assert "from_pretrained('someone/seedling'" in script
    assert not any(name.startswith("base/") for name in names_in(result.path))
    assert yaml.safe_load(head)["base_model"] == "someone/seedling"
    assert Path(result.path).name == "support-3-adapter.zip"


@pytest.mark.parametrize(
    ("kind", "method"), [("adapter", "lora"), ("merged", "lora"), ("bundle", "lora"), ("merged", "full")]
)
def test_the_size_told_beforehand_is_that_of_the_zip(make_run, kind, method):
    run = make_run("chat", method)
    told = zip_size(sources.Source.open(run), kind)
    assert export(run, kind).size == pytest.approx(told, rel=0.05)
