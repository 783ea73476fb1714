"""A draft holds steps 1 to 3 in its folder: what was read, chosen, mended and split survives any restart."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from studio.core import hardware
from studio.core.assets import SAMPLES
from studio.core.errors import DataError, ModelError, RecipeError, RunError
from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.data.render import ChatRenderer
from studio.runs import remembered
from studio.runs.calibration import kept_path
from studio.runs.draft import Draft
from studio.runs.folder import list_runs
from studio.runs.splits import has_splits, read_splits
from studio.runs.state import RunState


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(tmp_path / "workspace")


@pytest.fixture
def messy(workspace):
    return Draft.from_sample(workspace, "messy_support.csv")


def again(draft):
    """The same draft as another browser, or a restarted server, opens it."""
    return Draft.open(draft.workspace, draft.run.id)


@pytest.mark.parametrize(
    ("name", "task"),
    [("support_chat.jsonl", "chat"), ("ticket_labels.csv", "text_classification"), ("messy_support.csv", "chat")],
)
def test_every_sample_is_understood_and_can_be_started_as_it_is(workspace, name, task):
    assert name in SAMPLES
    draft = Draft.from_sample(workspace, name)
    assert draft.recipe().task == task
    assert draft.problems() == []
    recipe = draft.freeze()
    assert recipe.training.learning_rate
    assert recipe.reasons["training.learning_rate"]
    assert len(recipe.training.sample_prompts) == 3
    assert read_splits(draft.run).sizes() == draft.splits().sizes()


def test_a_file_that_cannot_be_used_leaves_no_run_behind(workspace, tmp_path):
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(DataError):
        Draft.from_files(workspace, [tmp_path / "empty.csv"])
    assert list_runs(workspace) == []


def test_fixes_apply_undo_and_survive_a_reload(messy):
    rows_in, usable = messy.counts()
    finding = next(f for f in messy.findings() if f.check == "exact_duplicates")
    changes = messy.preview(finding.fixes[0].id)
    assert len([c for c in changes if c.after is None]) == finding.count
    messy.apply(finding.check, finding.fixes[0].id)
    assert again(messy).counts() == (rows_in, usable - finding.count)
    assert "exact_duplicates" not in [f.check for f in again(messy).findings()]
    assert again(messy).undo(0, finding.fixes[0].id)
    assert messy.counts() == (rows_in, usable)


def test_an_unknown_fix_changes_nothing(messy):
    with pytest.raises(DataError):
        messy.apply("anything", "no_such_fix")
    assert messy.recipe().data.fixes == []


def test_undo_takes_out_the_one_asked_for(messy):
    for finding in messy.findings()[:2]:
        messy.apply(finding.check, finding.fixes[0].id)
    first, second = messy.recipe().data.fixes
    assert messy.undo(0, first.fix)
    assert messy.recipe().data.fixes == [second]


@pytest.mark.parametrize("index", [-1, 0, 99])
def test_undo_of_what_is_no_longer_there_takes_nothing_else(messy, index):
    """A double press, or a second window with an old list."""
    for finding in messy.findings()[:2]:
        messy.apply(finding.check, finding.fixes[0].id)
    first, second = messy.recipe().data.fixes
    messy.undo(0, first.fix)
    assert not again(messy).undo(index, first.fix)
    assert messy.recipe().data.fixes == [second]


def test_roles_must_name_columns_that_are_there(messy):
    with pytest.raises(DataError):
        messy.set_roles({"user": "Nowhere", "assistant": "Our reply"})
    messy.set_roles({"user": "Our reply", "assistant": "Customer message"})
    assert "“Our reply” speaks for the person" in again(messy).sentence()


def test_another_task_reads_the_columns_anew(workspace):
    draft = Draft.from_sample(workspace, "ticket_labels.csv")
    draft.set_task("chat")
    assert again(draft).recipe().task == "chat"
    draft.set_task("text_classification")
    assert draft.recipe().data.roles == {"text": "ticket_text", "label": "category"}


def test_the_rendered_row_holds_the_system_prompt_and_learns_only_the_answer(workspace):
    draft = Draft.from_sample(workspace, "support_chat.jsonl")
    draft.set_system_prompt("You work in a lamp shop.")
    segments = draft.segments(0)
    learned = "".join(s.text for s in segments if s.learned)
    answer = draft.splits().train[0]["messages"][-1]["content"]
    assert "You work in a lamp shop." in "".join(s.text for s in segments)
    assert answer in learned
    assert "lamp shop." not in learned


def test_an_unknown_base_is_refused_and_the_old_one_stays(messy):
    with pytest.raises(ModelError):
        messy.set_base("no/such folder")
    assert messy.base().embedded


def test_a_started_run_is_no_longer_changed_but_can_be_copied(messy):
    messy.apply("exact_duplicates", "drop_exact_duplicates")
    messy.update("training", {"epochs": 3})
    messy.freeze()
    messy.run.write_state(RunState(state="queued"))
    with pytest.raises(RunError, match="New run from this one"):
        messy.update("training", {"epochs": 4})
    copy = Draft.copy_of(messy.workspace, messy.run.id)
    assert (copy.run.id, copy.recipe().name) == ("messy-support-2", "messy-support-2"), (
        "told from the first in the list"
    )
    assert copy.recipe().training.epochs == 3
    assert copy.recipe().training.learning_rate is None, "what nobody chose stays open"
    assert copy.counts() == messy.counts()


def test_a_name_the_person_gave_goes_with_the_copy(messy):
    messy.rename("My shop")
    copy = Draft.copy_of(messy.workspace, messy.run.id)
    assert (copy.run.id, copy.recipe().name) == ("my-shop-1", "My shop")


def test_a_run_s_own_recipe_makes_a_run_that_can_be_told_from_it(workspace):
    first = Draft.from_text(workspace, "question\tanswer\n" + "\n".join(f"What is {i}?\tIt is {i}." for i in range(20)))
    second = Draft.from_recipe(workspace, Recipe.load(first.run.recipe_path), first.run.path)
    assert second.counts() == first.counts()
    assert (first.run.id, second.run.id, second.recipe().name) == ("pasted-1", "pasted-2", "pasted-2")


def parts_sheet(folder, column="which_part"):
    path = folder / "rows.csv"
    parts = ["train", "train", "dev", "test"]
    rows = (f"What is number {i}?,It is {i} of course.,{parts[i % 4]}" for i in range(80))
    path.write_text(f"question,answer,{column}\n" + "\n".join(rows))
    return path


def test_the_column_the_person_chose_divides_the_rows(workspace, tmp_path):
    draft = Draft.from_files(workspace, [parts_sheet(tmp_path)])
    assert draft.split_column() is None
    assert draft.splits().sizes() == {"train": 64, "validation": 8, "test": 8}
    assert draft.set_split(column="which_part") == []
    assert again(draft).split_column() == "which_part"
    draft.freeze()
    splits = read_splits(draft.run)
    assert splits.sizes() == {"train": 40, "validation": 20, "test": 20}
    assert {row["row"] % 4 for row in splits.train} == {0, 1}
    assert {row["row"] % 4 for row in splits.test} == {3}


def test_a_split_that_was_found_can_be_left_aside_and_taken_back(workspace, tmp_path):
    draft = Draft.from_files(workspace, [parts_sheet(tmp_path, column="split")])
    assert (draft.split_column(), draft.splits().sizes()["test"]) == ("split", 20)
    assert draft.set_split(column="") == []
    assert (draft.split_column(), draft.splits().sizes()["test"]) == (None, 8)
    assert draft.set_split(column="split") == []
    assert draft.splits().sizes()["test"] == 20


@pytest.mark.parametrize(("column", "told"), [("nowhere", "no column “nowhere”"), ("answer", "no part of a split")])
def test_a_column_that_cannot_divide_the_rows_is_told_at_its_field(workspace, tmp_path, column, told):
    draft = Draft.from_files(workspace, [parts_sheet(tmp_path)])
    problems = draft.set_split(column=column, seed=-1)
    assert [p.field for p in problems] == ["data.split.column", "data.split.seed"]
    assert told in problems[0].message
    assert draft.recipe().data.split.column is None
    recipe = Recipe.from_dict({"data": {"sources": [{"path": "rows.csv"}], "split": {"column": column}}})
    with pytest.raises(RecipeError, match=f"data.split.column: .*{told}"):
        Draft.from_recipe(workspace, recipe, tmp_path)
    assert [run.id for run in list_runs(workspace)] == [draft.run.id], "what was refused leaves no run behind"


@pytest.mark.parametrize(
    "system_prompt", [None, "You work in a lamp shop, and you are kind to everybody who asks. " * 3]
)
def test_what_is_shown_as_cut_is_what_training_cuts(workspace, tmp_path, system_prompt):
    rows = [{"question": f"What is number {i}?", "answer": f"It is {i}. " * (2 + i % 7)} for i in range(300)]
    for row in rows[::150]:
        row["answer"] *= 60
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    draft = Draft.from_files(workspace, [tmp_path / "rows.jsonl"])
    draft.set_system_prompt(system_prompt)
    shown, lengths = draft.max_length(), draft.token_lengths()
    finding = next(f for f in draft.findings() if f.check == "too_long")
    cut_on_screen = [any(s.cut for s in draft.segments(i)) for i in range(len(draft.splits().train))]
    recipe = draft.freeze()
    assert recipe.training.max_length == shown == again(draft).max_length() < max(lengths)
    renderer = ChatRenderer.from_folder(draft.renderer_folder())
    train = [row["messages"] for row in read_splits(draft.run).train]
    trained = renderer.encode_many(train, recipe.training.max_length)
    cut = [len(row.ids) < length for row, length in zip(trained, renderer.lengths(train), strict=True)]
    assert cut_on_screen == cut
    assert any(cut)
    assert finding.count == sum(length > shown for length in lengths) == 2


def test_lengths_of_the_training_rows_are_those_counted_with_the_others(messy):
    messy.set_system_prompt("Be kind.")
    train = messy.splits().train
    assert messy.facts().lengths == remembered.lengths("chat", messy.renderer_folder(), train)


def test_without_a_row_to_learn_from_there_is_no_length_to_cut_at(workspace, tmp_path):
    (tmp_path / "rows.csv").write_text("question,answer\n" + "\n".join(f"What is number {i}?," for i in range(20)))
    draft = Draft.from_files(workspace, [tmp_path / "rows.csv"])
    draft.set_task("chat")
    draft.set_roles({"user": "question", "assistant": "answer"})
    assert draft.max_length() is None
    assert "one_sided" in [finding.check for finding in draft.findings()]
    draft.update("training", {"max_length": 64})
    assert draft.max_length() == 64


def test_a_full_disk_is_told_before_the_start(messy, monkeypatch):
    assert "disk are free" not in " ".join(messy.estimate().reasons)
    monkeypatch.setattr(hardware, "free_disk_gib", lambda path: 0.001 if path == messy.workspace.runs_dir else 1e6)
    estimate = messy.estimate()
    assert estimate.verdict == "won't fit"
    assert "Only 0.0 GB of disk are free." in estimate.reasons


def test_a_recipe_file_repeats_the_draft(workspace, tmp_path):
    (tmp_path / "data.csv").write_text(
        "question,answer\n" + "\n".join(f"What is {i}?,It is {i} of course." for i in range(40))
    )
    recipe = Recipe.from_dict({"data": {"sources": [{"path": "data.csv"}]}, "training": {"epochs": 2}})
    draft = Draft.from_recipe(workspace, recipe, tmp_path)
    assert draft.recipe().data.roles == {"user": "question", "assistant": "answer"}
    assert draft.freeze().training.epochs == 2


def test_the_step_is_remembered_for_drafts_only(messy):
    messy.visit(2)
    assert again(messy).run.state().step_of_journey == 2
    messy.run.write_state(RunState(state="finished"))
    messy.visit(1)
    assert messy.run.state().state == "finished"


def test_a_broken_calibration_cache_is_measured_anew(messy):
    recipe = messy.resolved()
    path = kept_path(messy.workspace, recipe)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"nonsense": 1}))
    assert messy.calibration(recipe) is None
    assert messy.estimate(recipe).measured is False


def test_data_that_vanished_is_a_message(messy):
    for file in messy.run.data_dir.iterdir():
        file.unlink()
    with pytest.raises(RunError, match="gone"):
        messy.table()


def test_two_windows_that_change_one_draft_undo_nothing_of_each_other(messy):
    """Each change is read, made and written in one go."""
    fixes = [(f.check, f.fixes[0].id) for f in messy.findings() if f.fixes]
    assert len(fixes) > 3
    with ThreadPoolExecutor(8) as windows:
        jobs = [windows.submit(again(messy).apply, *fix) for fix in fixes]
        jobs += [windows.submit(again(messy).set_split, seed=7), windows.submit(again(messy).rename, "together")]
        for job in jobs:
            job.result()
    recipe = again(messy).recipe()
    assert sorted((f.check, f.fix) for f in recipe.data.fixes) == sorted(fixes)
    assert (recipe.data.split.seed, recipe.name) == (7, "together")


def test_a_fix_pressed_twice_is_applied_once(messy):
    finding = next(f for f in messy.findings() if f.fixes)
    for _ in range(2):
        messy.apply(finding.check, finding.fixes[0].id)
    assert len(messy.recipe().data.fixes) == 1


def test_a_choice_made_after_leaving_the_queue_counts(messy):
    messy.freeze()
    assert has_splits(messy.run)
    assert messy.update("training", {"learning_rate": 0.00123}) == []
    assert again(messy).recipe().training.learning_rate == 0.00123
    assert not has_splits(messy.run), "what had been prepared no longer fits the choices"
    assert messy.freeze().training.learning_rate == 0.00123


def test_the_same_choice_again_leaves_what_was_prepared(messy):
    messy.update("training", {"learning_rate": 0.001})
    frozen = messy.freeze()
    assert messy.update("training", {"learning_rate": 0.001}) == []
    assert has_splits(messy.run)
    assert messy.run.recipe() == frozen


def test_a_late_look_at_a_step_does_not_take_a_run_out_of_the_queue(messy, monkeypatch):
    """The page notes the step in the state of a draft while another request starts it."""
    messy.freeze()
    late = again(messy)
    real, looked, queued = type(late).is_open, threading.Event(), threading.Event()

    def slow(self):
        answer = real.fget(self)
        looked.set()
        queued.wait(0.3)
        return answer

    monkeypatch.setattr(Draft, "is_open", property(slow))
    visiting = threading.Thread(target=late.visit, args=(3,))
    visiting.start()
    looked.wait()
    with messy.run.held():
        messy.run.change_state(state="queued")
    queued.set()
    visiting.join()
    assert messy.run.state().state == "queued"


def test_a_split_that_leaves_few_rows_to_learn_from_is_found(workspace, tmp_path):
    rows = "\n".join(f"What does lamp {i} cost?,It costs {i} euros." for i in range(120))
    (tmp_path / "lamps.csv").write_text(f"question,answer\n{rows}\n")
    draft = Draft.from_files(workspace, [tmp_path / "lamps.csv"])
    assert draft.split_findings() == []
    assert draft.set_split(train=0.05, validation=0.85, test=0.1) == []
    (few,) = [f for f in draft.findings() if f.check == "few_to_learn"]
    assert few.title == f"Only {len(draft.splits().train)} rows to learn from"
    assert few.severity == "caution"


def test_what_the_first_row_holds_can_be_said_and_is_remembered(workspace, tmp_path):
    rows = "".join(f"What does lamp {i} cost?,It costs {i} euros.\n" for i in range(12))
    (tmp_path / "lamps.csv").write_text("question,answer\n" + rows)
    draft = Draft.from_files(workspace, [tmp_path / "lamps.csv"])
    assert draft.first_row() == "names"
    assert draft.update("data", {"first_row": "data"}) == []
    assert again(draft).table().columns == ["column_1", "column_2"]
    assert set(draft.recipe().data.roles.values()) == {"column_1", "column_2"}
    assert len(again(draft).examples()) == 13
    repeated = Draft.from_recipe(workspace, draft.recipe(), tmp_path)
    assert repeated.table().fingerprint() == draft.table().fingerprint() == draft.recipe().data.fingerprint
    draft.set_first_row("names")
    assert draft.counts() == (12, 12)
    assert draft.update("data", {"first_row": "odd"})[0].field == "data.first_row"


def test_cautions_know_the_language_of_the_rows_and_what_is_usual(workspace):
    rows = [
        {"question": f"أين طردي رقم {i}؟ كان من المفترض أن يصل", "answer": f"سيصل طردك رقم {i} غدا"} for i in range(30)
    ]
    draft = Draft.from_text(workspace, "\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    assert draft.language() == "Arabic"
    assert [caution.field for caution in draft.cautions(draft.resolved())] == ["base.id"]
    draft.update("training", {"learning_rate": 0.5})
    assert [caution.field for caution in draft.cautions(draft.resolved())] == ["base.id", "training.learning_rate"]
