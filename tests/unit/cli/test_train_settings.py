"""Settings given to ``studio train``: what they change in the run, and where they are refused. Nothing is trained here."""

import pytest
from typer.testing import CliRunner

from studio.cli import app as commands
from studio.cli import follow
from studio.core.errors import RecipeError
from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.runs.folder import list_runs
from studio.runs.splits import read_splits


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Everything up to the start: (what was printed, the run)."""
    started = []
    monkeypatch.setattr(follow, "follow", lambda run, launcher: started.append(run))
    workspace = tmp_path / "workspace"

    def call(*arguments):
        done = CliRunner().invoke(commands.app, ["train", *map(str, arguments), "--workspace", str(workspace)])
        if done.exception:
            raise done.exception
        return done.output, started[-1]

    call.runs = lambda: list_runs(Workspace.open(workspace))
    return call


@pytest.fixture
def sheet(tmp_path):
    parts = ["train", "train", "dev", "test"]
    rows = (f"What is number {i}?,It is {i} of course.,{parts[i % 4]}" for i in range(80))
    path = tmp_path / "rows.csv"
    path.write_text("question,answer,split\n" + "\n".join(rows))
    return path


@pytest.mark.parametrize(
    ("given", "test_rows"), [([], 20), (["--split-column", "split"], 20), (["--split-column", ""], 8)]
)
def test_the_split_column_is_taken_unasked_named_or_left_aside(train, sheet, given, test_rows):
    _, run = train("--data", sheet, *given)
    assert read_splits(run).sizes()["test"] == test_rows


@pytest.mark.parametrize(("column", "told"), [("nowhere", "no column “nowhere”"), ("answer", "no part of a split")])
def test_a_column_that_does_not_name_the_split_is_refused_at_its_flag(train, sheet, column, told):
    with pytest.raises(RecipeError, match=f"--split-column: .*{told}"):
        train("--data", sheet, "--split-column", column)
    assert train.runs() == []


def test_data_that_has_changed_since_the_recipe_was_made_is_told(train, sheet, tmp_path):
    first, run = train("--data", sheet)
    run.recipe().save(tmp_path / "mine.yaml")
    same, _ = train(tmp_path / "mine.yaml")
    sheet.write_text(sheet.read_text() + "\nAnd now?,Now there is one more.,train")
    changed, again = train(tmp_path / "mine.yaml")
    assert "has changed since" not in first + same
    assert "“rows.csv” has changed since this recipe was made" in changed
    assert Recipe.load(again.recipe_path).data.fingerprint != run.recipe().data.fingerprint
