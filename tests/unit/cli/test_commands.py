"""What the commands say and leave behind, with a run, an export and a playground that only pretend."""

import io
import json
import sys
from dataclasses import dataclass

import pytest

from studio.cli import follow, main
from studio.core.errors import RunError
from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.data.types import Finding
from studio.runs import playground
from studio.runs.draft import Draft
from studio.runs.folder import RunFolder
from studio.runs.launcher import Launcher

ROWS = "question,answer\n" + "".join(f"What is {i}?,It is {i}.\n" for i in range(40))
REPORT = {
    "metrics": {
        "loss": {
            "title": "Loss", "higher_is_better": False,
            "base": {"value": 3.5, "low": 3.4, "high": 3.6}, "tuned": {"value": 1.25, "low": None, "high": None},
        },
    },
    "verdict": "The tuned model is clearly better.",
}  # fmt: skip


@dataclass
class Done:
    code: int
    out: str
    err: str


@pytest.fixture
def studio(monkeypatch, capsys):
    """Run a command as ``studio …`` would, in this process."""
    monkeypatch.setattr(follow.console, "width", 200)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments, typed=""):
        monkeypatch.setattr(sys, "argv", ["studio", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return Done(int(end.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "lamps.csv"
    path.write_text(ROWS)
    return path


@pytest.fixture
def tuned(tmp_path):
    """A finished chat run in the workspace ``tmp_path / "w"``."""
    run = RunFolder.create(Workspace.open(tmp_path / "w"), "lamps")
    Recipe(task="chat").save(run.recipe_path)
    run.model_dir.mkdir()
    (run.model_dir / "model.safetensors").write_bytes(b"weights")
    run.change_state(state="finished", step=40, total_steps=40, message="Finished all 40 steps.")
    return run


# -- check -------------------------------------------------------------------------------------------------------------


def test_check_says_what_was_understood_and_what_to_mend(studio, rows, tmp_path):
    rows.write_text(ROWS + "What is 3?,It is 3.\n" * 4)
    done = studio("--workspace", tmp_path / "w", "check", rows)
    assert done.code == 0, done.err
    assert "44 conversations" in done.out
    assert "fix:" in done.out
    assert not (tmp_path / "w" / "runs").exists() or not list((tmp_path / "w" / "runs").iterdir())


def test_check_can_answer_a_program(studio, rows):
    answer = json.loads(studio("check", rows, "--json").out)
    assert "40 conversations" in answer["understood"]
    assert answer["notes"] == []
    for finding in answer["findings"]:
        assert {"check", "severity", "title", "count", "explanation", "examples", "fixes"} == set(finding)


def test_check_reads_the_file_as_the_task_that_is_asked_for(studio, tmp_path):
    path = tmp_path / "mail.csv"
    path.write_text("text,label\n" + "".join(f"Where is parcel {i}?,{'ab'[i % 2]}\n" for i in range(20)))
    assert "20 texts" in studio("check", path).out
    done = studio("check", path, "--task", "chat")
    assert done.code == 2
    assert "Chat needs to know" in done.err


def test_check_ends_with_3_when_training_would_fail(studio, rows, monkeypatch):
    stop = Finding("empty", "stop", "No row has an answer", "There is nothing to learn.", 40)
    monkeypatch.setattr(Draft, "findings", lambda self: [stop])
    done = studio("check", rows)
    assert done.code == 3
    assert "✕ No row has an answer" in done.out


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02"])
def test_check_of_a_file_that_is_no_table_is_a_message(studio, tmp_path, content):
    (tmp_path / "odd.csv").write_bytes(content)
    done = studio("check", tmp_path / "odd.csv")
    assert done.code == 2
    assert done.err.startswith("✕")


# -- runs --------------------------------------------------------------------------------------------------------------


def test_runs_lists_each_run_with_its_state_the_newest_first(studio, tuned, tmp_path):
    workspace = Workspace.open(tmp_path / "w")
    older = RunFolder.create(workspace, "older")
    older.change_state(state="failed", message="No [bold]memory[/].", created=tuned.state().created - 1000)
    header, *lines = studio("runs", "--workspace", workspace.root).out.splitlines()
    assert header.split() == ["run", "name", "state", "step", "started"]
    assert lines[0].split()[:3] == [tuned.id, "run", "finished"]
    assert lines[1].split()[:2] == [older.id, "failed"], "a name is shown where there is one"
    assert "40/40" in lines[0]
    assert "No [bold]memory[/]." in lines[1], "what a run says is no markup"


# -- train -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def trained(monkeypatch):
    """Runs end at once, as the test says: ``trained(state="failed", …)``; the recipes that were run."""
    seen, end = [], {"state": "finished", "message": "Finished all 2 steps.", "step": 2, "total_steps": 2}

    def pretend(self, run):
        seen.append(run.recipe())
        yield {"kind": "status", "state": "training", "total_steps": 2}
        yield {"kind": "metric", "step": 1, "loss": 2.0}
        yield {"kind": "note", "step": 1, "text": "The loss goes down."}
        yield {"kind": "metric", "step": 2, "loss": 1.0, "validation_loss": 1.5}
        run.change_state(**end)
        run.write_report(REPORT)

    monkeypatch.setattr(Launcher, "run_in_foreground", pretend)
    seen.append(end)
    return seen


def test_train_on_a_file_shows_the_recipe_the_run_and_the_report(studio, rows, trained, tmp_path):
    done = studio("train", "--data", rows, "--workspace", tmp_path / "w", "--name", "mine", "--max-steps", "2")
    assert done.code == 0, done.err
    recipe = trained[-1]
    assert (recipe.name, recipe.training.max_steps, recipe.task) == ("mine", 2, "chat")
    for words in ("40 conversations", "learning rate", "seedling", "The loss goes down.", "Finished all 2 steps."):
        assert words in done.out
    assert "3.5 (3.4 to 3.6)" in done.out
    assert "The tuned model is clearly better." in done.out


def test_train_tells_what_to_know_before(studio, rows, trained, tmp_path):
    done = studio("train", "--data", rows, "--workspace", tmp_path / "w", "--learning-rate", "0.05")
    assert done.code == 0, done.err
    assert "times the suggested" in " ".join(done.out.split())


def test_train_repeats_a_recipe(studio, rows, trained, tmp_path):
    recipe = Recipe.from_dict({"data": {"sources": [{"path": rows.name}]}, "training": {"epochs": 7}})
    (tmp_path / "recipe.yaml").write_text(recipe.to_yaml())
    done = studio("train", tmp_path / "recipe.yaml", "--workspace", tmp_path / "w", "--epochs", "2")
    assert done.code == 0, done.err
    assert trained[-1].training.epochs == 2, "a flag goes before the recipe"


FULL = {"title": "The disk is full", "what_happened": "It is.", "what_to_do": "Make room."}


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ({"state": "failed", "error": FULL}, "The disk is full"),
        ({"state": "interrupted", "message": "The worker is gone."}, "cut off"),
    ],
)
def test_train_tells_a_run_that_went_wrong(studio, rows, trained, tmp_path, end, told):
    trained[0].update(end)
    done = studio("train", "--data", rows, "--workspace", tmp_path / "w")
    assert done.code == 2
    assert told in done.err
    assert len(list((tmp_path / "w" / "runs").iterdir())) == 1, "what happened stays to be looked at"


def test_a_mistyped_workspace_is_told_and_not_made(studio, tuned, tmp_path):
    for command in (["runs"], ["chat", tuned.id], ["export", tuned.id]):
        done = studio(*command, "--workspace", tmp_path / "typo")
        assert done.code == 2
        assert "There is no such workspace" in done.err
    assert not (tmp_path / "typo").exists()


def test_a_run_that_is_not_there_leads_to_the_list_that_a_terminal_has(studio, tuned, tmp_path):
    for command, wanted in (("chat", "nope"), ("export", "../nope")):
        done = studio(command, wanted, "--workspace", tmp_path / "w")
        assert done.code == 2
        assert "`studio runs` lists them" in done.err
        assert "on the left" not in done.err


def test_a_run_is_known_by_its_name_too_while_no_other_has_it(studio, tuned, exported, tmp_path):
    workspace = Workspace.open(tmp_path / "w")
    Recipe(task="chat", name=tuned.id).save(tuned.recipe_path)
    assert " name " not in studio("runs", "--workspace", workspace.root).out.splitlines()[0]
    Recipe(task="chat", name="My lamps").save(tuned.recipe_path)
    assert "My lamps" in studio("runs", "--workspace", workspace.root).out
    assert studio("export", "my lamps", "--workspace", workspace.root).code == 0
    other = RunFolder.create(workspace, "lamps")
    Recipe(task="chat", name="My lamps").save(other.recipe_path)
    done = studio("export", "My lamps", "--workspace", workspace.root)
    assert done.code == 2
    assert tuned.id in done.err
    assert other.id in done.err


# -- export ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def exported(tuned, monkeypatch):
    """An export that is worked on, and then as the test says."""
    path = tuned.exports_dir / "lamps-bundle.zip"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"zip")
    states = [{"state": "working", "progress": 0.5, "message": "Writing."}, {"state": "ready", "path": str(path)}]
    asked = []
    monkeypatch.setattr(follow, "start_export", lambda run, kind: asked.append((run.id, kind)))
    monkeypatch.setattr(follow, "export_state", lambda run, kind: states.pop(0))
    return states, asked


def test_export_prints_where_the_file_is(studio, tuned, exported, tmp_path):
    done = studio("export", tuned.id, "--workspace", tmp_path / "w")
    assert done.code == 0, done.err
    assert done.out.strip().endswith("lamps-bundle.zip"), "nothing else on stdout, so that a script can take it"
    assert exported[1] == [(tuned.id, "bundle")]


@pytest.mark.parametrize("to", ["given.zip", "folder"])
def test_export_copies_the_file_to_where_it_is_wanted(studio, tuned, exported, tmp_path, to):
    (tmp_path / "folder").mkdir()
    done = studio("export", tuned.id, "--kind", "merged", "--out", tmp_path / to, "--workspace", tmp_path / "w")
    written = tmp_path / "folder" / "lamps-bundle.zip" if to == "folder" else tmp_path / to
    assert done.out.strip() == str(written)
    assert written.read_bytes() == b"zip"


def test_a_place_that_is_not_there_is_told_before_the_export_is_made(studio, tuned, exported, tmp_path):
    to = tmp_path / "missing" / "folder" / "x.zip"
    done = studio("export", tuned.id, "--out", to, "--workspace", tmp_path / "w")
    assert done.code == 2
    assert f"{to.parent} is not a folder" in done.err
    assert exported[1] == []


def test_a_file_that_cannot_be_copied_is_told_with_where_it_is(studio, tuned, exported, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(follow.shutil, "copyfile", full)
    done = studio("export", tuned.id, "--out", tmp_path / "x.zip", "--workspace", tmp_path / "w")
    assert done.code == 2
    assert "No space left on device" in done.err
    assert "lamps-bundle.zip" in done.err


def test_an_export_that_fails_its_check_is_told(studio, tuned, exported, tmp_path):
    exported[0][-1] = {"state": "failed", "message": "It does not answer as the app does."}
    done = studio("export", tuned.id, "--workspace", tmp_path / "w")
    assert done.code == 2
    assert "It does not answer as the app does." in done.err


def test_what_cannot_be_exported_is_refused_in_words(studio, tuned, tmp_path):
    for arguments, told in (
        ([tuned.id, "--kind", "pickle"], "Choose adapter, merged, bundle"),
        (["nobody"], "no such run"),
        (["../w"], "no such run"),
    ):
        done = studio("export", *arguments, "--workspace", tmp_path / "w")
        assert done.code == 2
        assert told in done.err


# -- chat --------------------------------------------------------------------------------------------------------------


class FakePlayground:
    asked = []
    closed = 0

    def __init__(self, path):
        type(self).closed = 0
        self.asked.clear()

    def chat(self, base, tuned, sampling):
        self.asked.append((base[-1]["content"], len(base), sampling))
        yield {"base": "I am", "tuned": "Ahoy", "base_identity": "adapter off", "tuned_identity": "adapter lamps"}
        yield {"base": "I am [bold]base[/]", "tuned": "Ahoy there"}

    def classify(self, text):
        self.asked.append(text)
        return {"labels": ["billing", "delivery"], "base": [0.5, 0.5], "tuned": [0.1, 0.9]}

    def close(self):
        type(self).closed += 1


@pytest.fixture(autouse=True)
def _no_real_playground(monkeypatch):
    monkeypatch.setattr(playground, "Playground", FakePlayground)


def test_chat_asks_both_models_what_is_typed_until_an_empty_line(studio, tuned, tmp_path):
    done = studio(
        "chat", tuned.id, "--workspace", tmp_path / "w", "--seed", "7", typed="Hello?\nAnd now?\n\nnot this\n"
    )
    assert done.code == 0, done.err
    assert [(question, turns) for question, turns, _ in FakePlayground.asked] == [("Hello?", 1), ("And now?", 3)]
    assert FakePlayground.asked[0][2]["seed"] == 7
    for words in ("I am [bold]base[/]", "Ahoy there", "adapter off", "adapter lamps"):
        assert words in done.out
    assert FakePlayground.closed == 1


@pytest.mark.parametrize(("flag", "value"), [("--temperature", "3"), ("--top-p", "0"), ("--max-new-tokens", "5000")])
def test_chat_takes_what_the_screen_takes(studio, tuned, tmp_path, flag, value):
    FakePlayground.asked.clear()
    done = studio("chat", tuned.id, "--workspace", tmp_path / "w", "--prompt", "One?", flag, value)
    assert done.code == 2
    assert flag in done.err
    assert FakePlayground.asked == []


def test_chat_asks_given_prompts_and_ends(studio, tuned, tmp_path):
    done = studio(
        "chat", tuned.id, "--workspace", tmp_path / "w", "--prompt", "One?", "--prompt", "Two?", typed="three"
    )
    assert done.code == 0, done.err
    assert [question for question, *_ in FakePlayground.asked] == ["One?", "Two?"]


def test_chat_shows_how_sure_both_models_are_of_a_label(studio, tuned, tmp_path):
    Recipe(task="text_classification").save(tuned.recipe_path)
    done = studio("chat", tuned.id, "--workspace", tmp_path / "w", "--prompt", "Where is it?")
    lines = [line.split() for line in done.out.splitlines()]
    assert ["delivery", "50%", "90%"] in lines
    assert lines.index(["delivery", "50%", "90%"]) < lines.index(["billing", "50%", "10%"])


def test_chat_with_a_run_that_has_no_model_is_refused(studio, tuned, tmp_path):
    tuned.change_state(state="draft")
    done = studio("chat", tuned.id, "--workspace", tmp_path / "w", "--prompt", "Hello?")
    assert done.code == 2
    assert "no tuned model yet" in done.err


def test_chat_ends_its_playground_when_an_answer_fails(studio, tuned, tmp_path, monkeypatch):
    def fails(self, *_):
        raise RunError("The playground ended", "It did.", "Try again.")

    monkeypatch.setattr(FakePlayground, "chat", fails)
    done = studio("chat", tuned.id, "--workspace", tmp_path / "w", "--prompt", "Hello?")
    assert done.code == 2
    assert "The playground ended" in done.err
    assert FakePlayground.closed == 1
