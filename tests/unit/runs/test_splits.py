"""The three parts of the data on disk."""

import pytest

from studio.core.errors import RunError
from studio.core.workspace import Workspace
from studio.data.types import Splits
from studio.runs.folder import RunFolder
from studio.runs.splits import has_splits, read_splits, write_splits


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(Workspace.open(tmp_path), "test")


def example(row, text):
    return {"row": row, "messages": [{"role": "user", "content": text}, {"role": "assistant", "content": "Yes."}]}


def test_what_is_written_is_read_back(run):
    rows = [example(i, text) for i, text in enumerate(["a\nb", "line\u2028separator", "\x85 \x0c", "日本", '"', ""])]
    splits = Splits(train=rows, validation=rows[:1], test=[], notes=("One note.",))
    write_splits(run, splits)
    assert read_splits(run) == splits


def test_missing_and_damaged_files_are_told(run):
    assert not has_splits(run)
    with pytest.raises(RunError, match="cannot be read"):
        read_splits(run)
    write_splits(run, Splits(train=[example(0, "a")]))
    assert has_splits(run)
    (run.data_dir / "train.jsonl").write_text('{"row": 0}\n{"torn')
    with pytest.raises(RunError, match=r"train\.jsonl"):
        read_splits(run)
    (run.data_dir / "train.jsonl").write_text("[1]\n")
    with pytest.raises(RunError, match="cannot be read"):
        read_splits(run)
