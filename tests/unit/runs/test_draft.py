"""A draft holds steps 1 to 3 in its folder: what was read, chosen, mended and split survives any restart."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from studio.core.assets import SAMPLES
from studio.core.errors import DataError, ModelError, RunError
from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
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
    again(messy).undo(0)
    assert messy.counts() == (rows_in, usable)


def test_an_unknown_fix_changes_nothing(messy):
    with pytest.raises(DataError):
        messy.apply("anything", "no_such_fix")
    assert messy.recipe().data.fixes == []


def test_undo_takes_out_the_one_asked_for(messy):
    for finding in messy.findings()[:2]:
        messy.apply(finding.check, finding.fixes[0].id)
    _, second = messy.recipe().data.fixes
    messy.undo(0)
    assert messy.recipe().data.fixes == [second]
    messy.undo(99)
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
    assert copy.run.id != messy.run.id
    assert copy.recipe().training.epochs == 3
    assert copy.recipe().training.learning_rate is None, "what nobody chose stays open"
    assert copy.counts() == messy.counts()


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
    looked.wait(5)
    with messy.run.held():
        messy.run.change_state(state="queued")
    queued.set()
    visiting.join()
    assert messy.run.state().state == "queued"
