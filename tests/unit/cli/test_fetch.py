"""``studio fetch``: brings a base here, or says in one message why it cannot."""

import pytest
from typer.testing import CliRunner

from studio.cli.app import app
from studio.core.errors import ModelError


def fetch(*arguments: str, **options: bool):
    return CliRunner().invoke(app, ["fetch", *arguments], **options)


def test_a_base_that_is_here_is_named_and_nothing_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    done = fetch("seedling-5m", "--workspace", str(tmp_path))
    assert done.exit_code == 0
    assert done.stdout.strip().endswith("seedling-5m")
    assert "on this machine already" in done.stderr


@pytest.mark.parametrize("base", ["smollm2-135m", "org/tiny"])
def test_without_a_network_it_says_so(base, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    done = fetch(base, "--workspace", str(tmp_path))
    assert isinstance(done.exception, ModelError)
    assert done.exception.code == "offline"


def test_a_download_ends_with_the_folder(tmp_path, monkeypatch):
    def brought(card, workspace, progress):
        progress("Downloading.", 0.5)
        return workspace.models_dir / "there"

    monkeypatch.setattr("studio.models.fetch.fetch", brought)
    done = fetch("smollm2-135m", "--workspace", str(tmp_path))
    assert done.exit_code == 0
    assert done.stdout.strip() == str(tmp_path / "models" / "there")
