"""The house rules that cannot rot: who imports whom, and what stays out of the light processes."""

import subprocess
import sys

import pytest

LIGHT = [
    "studio.core.recipe", "studio.data.load", "studio.data.render", "studio.models.catalogue", "studio.models.suggest",
    "studio.models.estimate", "studio.models.fetch", "studio.tasks.base", "studio.runs.folder", "studio.runs.launcher",
    "studio.runs.draft", "studio.runs.playground", "studio.runs.exports", "studio.evaluation.metrics", "studio.training.checkpoints",
]  # fmt: skip
ENGINE = [
    *LIGHT,
    "studio.training.causal_lm",
    "studio.evaluation.report",
    "studio.inference.pair",
    "studio.export.artefacts",
    "studio.runs.worker",
]


def modules_after(*imports: str) -> set[str]:
    code = f"import sys\n{chr(10).join(f'import {name}' for name in imports)}\nprint(*sorted({{m.partition('.')[0] for m in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_light_half_never_imports_torch_or_gradio():
    assert not modules_after(*LIGHT) & {"torch", "gradio", "peft"}


def test_the_engine_never_imports_gradio():
    assert "gradio" not in modules_after(*ENGINE)


def test_the_whole_page_is_laid_out_without_torch(tmp_path):
    code = (
        "import sys\nfrom studio.core.workspace import Workspace\nfrom studio.ui.app import create_app\n"
        "from studio.ui.context import StudioContext\n"
        "create_app(StudioContext(Workspace.open(sys.argv[1])))\n"
        "print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "gradio" in loaded
    assert not loaded & {"torch", "peft", "accelerate"}


def test_tasks_are_found_without_importing_torch():
    code = "import sys\nfrom studio.tasks import base\nprint(*base.registry())\nassert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[:2] == ["chat", "text_classification"]


@pytest.mark.parametrize("name", ["chat", "text_classification"])
def test_the_installed_entry_points_are_the_built_in_tasks(name):
    from importlib.metadata import entry_points

    from studio.tasks.base import BUILT_IN

    assert {e.name: e.value for e in entry_points(group="studio.tasks")}[name] == BUILT_IN[name]
