"""What the pages for people name is there: files, modules, commands, targets of make."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from studio.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
}
everywhere = pytest.mark.parametrize("page", PAGES)


def code(page: str) -> list[str]:
    """What stands between backquotes or in a block of code."""
    blocks = re.findall(r"```.*?\n(.*?)```", PAGES[page], re.DOTALL)
    return [*blocks, *re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGES[page], flags=re.DOTALL))]


@everywhere
def test_every_file_that_is_named_is_there(page):
    linked = [link for link in re.findall(r"\]\(([^)#]+)\)", PAGES[page]) if not link.startswith("http")]
    named = [name for text in code(page) for name in re.findall(r"(?:[\w-]+/)+[\w-]+\.(?:py|md|yaml|toml)\b", text)]
    missing = [name for name in [*linked, *named] if not ((ROOT / name).exists() or (ROOT / "studio" / name).exists())]
    assert missing == []


@everywhere
def test_every_module_that_is_named_can_be_found(page):
    run = [name for text in code(page) for name in re.findall(r"python -m ((?:tests|studio)[\w.]*)", text)]
    dotted = [name for text in code(page) for name in re.findall(r"^(studio(?:\.[a-z_]+)+)(?:\.[A-Z]\w*)?$", text)]
    assert [
        name
        for name in [*run, *dotted]
        if not (ROOT / f"{name.replace('.', '/')}.py").is_file() and not find_spec(name)
    ] == []


@everywhere
def test_every_target_of_make_that_is_named_is_there(page):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = {name for text in code(page) for name in re.findall(r"(?:^|\s)make ([\w-]+)", text)}
    assert named <= set(targets)


@everywhere
def test_every_command_of_the_studio_that_is_named_is_there(page):
    known = {info.name or info.callback.__name__ for info in app.registered_commands}
    named = {name for text in code(page) for name in re.findall(r"(?:^|\n)studio ([a-z]+)", text)}
    assert named <= known
    assert CliRunner().invoke(app, ["--help"]).exit_code == 0


def test_the_table_of_a_runs_files_names_those_that_the_code_writes():
    code_of_runs = [path.read_text(encoding="utf-8") for path in (ROOT / "studio" / "runs").glob("*.py")]
    written = {
        name
        for text in code_of_runs
        for name in re.findall(r'(?:self\.path|run\.path|_run_dir) / "([\w.]+\.[a-z]+)"', text)
    }
    assert {"state.json", "playground.log"} <= written, "this test no longer finds them"
    assert {name for name in written if f"`{name}`" not in PAGES["ARCHITECTURE.md"]} == set()
