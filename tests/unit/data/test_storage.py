"""A table in a run's folder comes back as it was, or is missed in words."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio.core.assets import sample_data_dir
from studio.core.errors import DataError
from studio.data.load import load_files
from studio.data.storage import open_table, save_table


def test_a_saved_table_comes_back_whole(tmp_path: Path) -> None:
    table = load_files([sample_data_dir() / "messy_support.csv"])
    save_table(table, tmp_path / "data")
    again = open_table(tmp_path / "data")
    assert again.fingerprint() == table.fingerprint()
    assert again.files == table.files
    assert again.notes == table.notes
    (tmp_path / "data" / "table.json").write_text("{")
    with pytest.raises(DataError, match="gone"):
        open_table(tmp_path / "data")
