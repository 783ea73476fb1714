"""What people get who install the studio instead of cloning it: nothing may be found only beside a checkout."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
CHECKOUT = Path(__file__).resolve().parents[2]
PLACES = {"studio": "studio", "assets": "studio/_bundled/assets", "sample_data": "studio/_bundled/sample_data"}
WHAT_IS_FOUND = """
import json, sys
from importlib.metadata import distribution
from studio.core.assets import SAMPLES, assets_dir, sample_data_dir
from studio.core.workspace import Workspace
from studio.models.catalogue import embedded
from studio.tasks.base import registry
from studio.ui.app import create_app
from studio.ui.context import StudioContext
create_app(StudioContext(Workspace.open("workspace")))
installed = distribution("tailor-studio")
print(json.dumps({
    "package": sys.modules["studio"].__file__, "assets": str(assets_dir()), "base": str(embedded().path),
    "samples": [str(sample_data_dir() / name) for name in SAMPLES], "tasks": list(registry()),
    "entries": sorted(f"{e.group}:{e.name}" for e in installed.entry_points), "dist": str(installed.locate_file("")),
}))
"""


def pip(*arguments: object) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder into which the wheel was installed; what it needs comes from this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, CHECKOUT)
    (wheel,) = folder.glob("*.whl")
    pip("install", "--no-deps", "--no-index", "--no-compile", "--target", folder / "site", wheel)
    return folder / "site"


@pytest.fixture
def installed(site, tmp_path):
    """Run Python in an empty folder, with the installed studio before any other."""

    def run(*arguments: object) -> str:
        done = subprocess.run(
            [sys.executable, *map(str, arguments)], cwd=tmp_path, capture_output=True, text=True, timeout=1200,
            env={**os.environ, "PYTHONPATH": str(site), "HF_HUB_OFFLINE": "1", "COLUMNS": "200"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_every_file_of_the_checkout_is_in_the_wheel(site):
    for ours, theirs in PLACES.items():
        for path in (CHECKOUT / ours).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and "_bundled" not in path.parts:
                copy = site / theirs / path.relative_to(CHECKOUT / ours)
                assert copy.is_file(), copy
                assert copy.stat().st_size == path.stat().st_size, copy


def test_assets_samples_entry_points_and_the_page_are_found_from_another_folder(site, installed):
    found = json.loads(installed("-c", WHAT_IS_FOUND).splitlines()[-1])
    for path in (found["package"], found["assets"], found["base"], found["dist"], *found["samples"]):
        assert Path(path).exists(), path
        assert Path(path).resolve().is_relative_to(site.resolve()), path
    assert found["tasks"][:2] == ["chat", "text_classification"]
    assert found["entries"] == ["console_scripts:studio", "studio.tasks:chat", "studio.tasks:text_classification"]


def test_the_installed_command_works_on_its_own_sample(site, installed):
    command = site / "bin" / "studio"
    assert "studio" in installed(command, "--help")
    sample = site / PLACES["sample_data"] / "support_chat.jsonl"
    assert "360 conversations" in installed(command, "check", sample)
