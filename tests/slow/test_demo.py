"""``studio demo`` as a person types it; what it leaves behind is looked at as somebody would who got the zip by mail."""

import json
import os
import subprocess
import sys
import zipfile

import pytest

pytestmark = pytest.mark.slow
STEPS = ["1 · Data", "2 · Prepare", "3 · Model", "4 · Train", "5 · Compare", "6 · Export"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """(workspace, what was printed)"""
    workspace = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-c", "from studio.cli import main; main()", "demo", "--preset", "quick", "--workspace", str(workspace)],
        capture_output=True, text=True, timeout=3600, cwd=workspace,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "200"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return workspace, done.stdout


def test_it_walks_all_six_steps_and_says_what_was_gained(demo):
    workspace, said = demo
    places = [said.index(step) for step in STEPS]
    assert places == sorted(places)
    assert "360 conversations" in said
    assert said.count("─ base ─") == said.count("─ tuned ─") == 3, "three questions, two answers each"
    (run,) = (workspace / "runs").iterdir()
    assert json.loads((run / "state.json").read_text())["state"] == "finished"
    report = json.loads((run / "report.json").read_text())
    assert report["verdict"] in " ".join(said.split())
    for metric in ("loss", "perplexity"):
        base, tuned = (report["metrics"][metric][side]["value"] for side in ("base", "tuned"))
        assert tuned < base, metric


def test_its_bundle_is_whole_and_its_model_answers(demo, tmp_path):
    workspace, said = demo
    (bundle,) = (workspace / "runs").glob("*/exports/*.zip")
    assert bundle.name in said
    with zipfile.ZipFile(bundle) as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path)
    scripts = list(tmp_path.rglob("try_it.py"))
    assert scripts
    for name in ("README.md", "recipe.yaml", "model.safetensors", "tokenizer.json"):
        assert list(tmp_path.rglob(name)), name
    asked = subprocess.run(
        [sys.executable, str(scripts[0]), "Do you ship lamps abroad?"], cwd=scripts[0].parent,
        capture_output=True, text=True, timeout=1200, env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.strip()
