"""Where a draft's rows come from, and what the recipe says of it."""

import pyarrow as pa
import pytest

from studio.core.errors import DataError, RecipeError
from studio.core.recipe import Recipe
from studio.data.storage import save_table
from studio.data.types import Table
from studio.runs import sources

ROWS = "question,answer\nWhere?,Here.\nWhy?,So.\n"


def recipe_of(path):
    return Recipe.from_dict({"name": "mine", "data": {"sources": [{"path": path}]}})


def test_an_upload_is_known_by_its_own_name_and_checksum(tmp_path):
    (tmp_path / "tmp123").write_text(ROWS)
    loaded = sources.from_files([tmp_path / "tmp123"], ["support.csv"])
    assert loaded.name == "support.csv"
    assert [s.path for s in loaded.sources] == ["support.csv"]
    assert loaded.sources[0].sha256 == loaded.table.files[0].sha256 != ""


def test_a_file_on_this_machine_is_known_by_its_whole_path(tmp_path):
    (tmp_path / "support.csv").write_text(ROWS)
    assert [s.path for s in sources.from_files([tmp_path / "support.csv"]).sources] == [str(tmp_path / "support.csv")]


def test_an_unknown_sample_names_those_there_are():
    with pytest.raises(DataError, match=r"messy_support\.csv"):
        sources.from_sample("nothing.csv")


def test_a_recipe_in_a_run_folder_finds_the_rows_beside_it(tmp_path):
    save_table(Table(pa.table({"question": ["a", "b"], "answer": ["c", "d"]})), tmp_path / "data")
    loaded = sources.from_recipe(recipe_of("gone.csv"), tmp_path)
    assert (len(loaded.table), loaded.name) == (2, "mine")
    (tmp_path / "gone.csv").write_text(ROWS + "How?,Well.\n")
    assert len(sources.from_recipe(recipe_of("gone.csv"), tmp_path).table) == 3, "the file itself comes first"


def test_pasted_rows_are_found_beside_their_recipe(tmp_path):
    save_table(Table(pa.table({"question": ["a", "b"], "answer": ["c", "d"]})), tmp_path / "data")
    assert len(sources.from_recipe(Recipe(name="pasted-1"), tmp_path).table) == 2


def test_rows_from_the_hub_are_not_fetched_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "load_hub", lambda name: pytest.fail("the rows lie beside the recipe"))
    save_table(Table(pa.table({"text": ["a", "b"]})), tmp_path / "data")
    assert len(sources.from_recipe(recipe_of("hub:owner/rows"), tmp_path).table) == 2


def made_with(loaded):
    """The recipe that a run with these rows would have kept."""
    recipe = Recipe(name="mine")
    recipe.data.sources, recipe.data.fingerprint = loaded.sources, loaded.table.fingerprint()
    return recipe


def test_a_file_that_has_changed_since_is_told(tmp_path):
    file = tmp_path / "support.csv"
    file.write_text(ROWS)
    recipe = made_with(sources.from_files([file]))
    assert sources.from_recipe(recipe, tmp_path).table.notes == ()
    file.write_text(ROWS.replace("\n", "\r\n"))
    assert sources.from_recipe(recipe, tmp_path).table.notes == (), "other bytes, the same rows"
    file.write_text(ROWS + "How?,Well.\n")
    note, *_ = sources.from_recipe(recipe, tmp_path).table.notes
    assert note.startswith("“support.csv” has changed since this recipe was made")


def test_a_checksum_written_by_hand_is_enough_to_tell(tmp_path):
    (tmp_path / "support.csv").write_text(ROWS)
    recipe = recipe_of("support.csv")
    assert sources.from_recipe(recipe, tmp_path).table.notes == ()
    recipe.data.sources[0].sha256 = "0" * 64
    assert "has changed" in sources.from_recipe(recipe, tmp_path).table.notes[0]


def test_a_changed_data_set_of_the_hub_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "load_hub", lambda name: Table(pa.table({"text": ["a"]})))
    recipe = made_with(sources.from_hub("owner/rows"))
    assert sources.from_recipe(recipe, tmp_path).table.notes == ()
    monkeypatch.setattr(sources, "load_hub", lambda name: Table(pa.table({"text": ["b"]})))
    assert "data has changed" in sources.from_recipe(recipe, tmp_path).table.notes[0]


def test_a_recipe_may_name_a_data_set_of_the_hub(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(sources, "load_hub", lambda name: asked.append(name) or Table(pa.table({"text": ["a"]})))
    loaded = sources.from_recipe(recipe_of("hub:owner/rows"), tmp_path)
    assert asked == ["owner/rows"]
    assert (loaded.name, [s.path for s in loaded.sources]) == ("rows", ["hub:owner/rows"])


def test_a_recipe_without_data_says_so(tmp_path):
    with pytest.raises(RecipeError, match=r"data\.sources"):
        sources.from_recipe(Recipe(), tmp_path)
