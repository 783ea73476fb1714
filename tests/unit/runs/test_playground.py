"""The app's end of the playground, with a process whose models echo."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from itertools import islice

import pytest
from playground_fake import COMMAND
from run_fakes import prepared, wait_for

from studio.core.errors import RunError, StudioError
from studio.core.workspace import Workspace
from studio.runs import processes
from studio.runs.playground import Playground
from studio.runs.playgrounds import PlaygroundPool


@pytest.fixture
def workspace(tmp_path):
    return Workspace.open(tmp_path)


@pytest.fixture
def playground(workspace):
    playground = Playground(prepared(workspace).path, command=COMMAND)
    yield playground
    playground.close()


def ask(text):
    return [{"role": "user", "content": text}]


def pid_of(playground):
    return playground.process.pid


def test_answers_grow_and_carry_who_spoke(playground):
    chunks = list(playground.chat(ask("hi"), ask("you"), {"seed": 1}))
    assert chunks[0]["status"] == "Loading the models."
    assert [c["base"] for c in chunks[1:]] == ["hi0 ", "hi0 hi1 ", "hi0 hi1 "]
    assert [c["tuned_new"] for c in chunks[1:]] == ["YOU0 ", "YOU1 ", ""]
    last = chunks[-1]
    assert last["base_done"]
    assert last["tuned_done"]
    assert (last["tokens"], last["seconds"]) == ({"base": 1, "tuned": 2}, {"base": 0.1, "tuned": 0.2})
    assert last["base_identity"] == "adapter off · echo 000000"
    assert last["tuned_identity"] == f"adapter run-1 · {pid_of(playground)}"
    assert last["notes"] == ["A note."]


def test_the_first_turn_needs_one_conversation_only(playground):
    assert list(playground.chat(ask("hi")))[-1]["tuned"] == "HI0 HI1 "


def test_the_process_stays_for_the_next_question(playground):
    list(playground.chat(ask("one")))
    first = pid_of(playground)
    assert "status" not in {k for c in playground.chat(ask("two")) for k, v in c.items() if k == "status" and v}
    assert pid_of(playground) == first


def test_classes_and_identity(playground):
    answer = playground.classify("text")
    assert (answer["labels"], answer["tuned"]) == (["a", "b"], [0.1, 0.9])
    assert playground.identity()["base"] == "adapter off · echo 000000"


def test_warming_loads_in_the_background(playground, workspace):
    playground.warm()
    wait_for(lambda: playground.loaded and not playground.busy)
    assert not any(c["status"] for c in playground.chat(ask("hi")))
    Playground(workspace.runs_dir / "nowhere").warm()


def test_a_table_comes_row_by_row(playground):
    rows = list(playground.answers(["x", "y"], {}, "sys"))
    assert [(r["prompt"], r["base"], r["tuned"], r["done"], r["total"]) for r in rows] == [
        ("x", "sys:x", "X", 1, 2),
        ("y", "sys:y", "Y", 2, 2),
    ]


def test_a_table_is_cancelled(playground):
    rows = playground.answers(["x", "hold", "y"])
    seen = [next(rows)]
    playground.cancel()
    seen += rows
    assert [row["prompt"] for row in seen] == ["x"]
    assert playground.classify("still there")["labels"] == ["a", "b"]


def test_cancel_ends_the_answer_and_only_this_one(playground):
    chunks = []
    for chunk in playground.chat(ask("hold")):
        chunks.append(chunk)
        if len(chunks) == 3:
            playground.cancel()
    assert [chunk["base_new"] for chunk in chunks] == ["", "hold0 ", "hold1 ", ""]
    assert chunks[-1]["base_done"]
    assert list(playground.chat(ask("hi")))[-1]["base"] == "hi0 hi1 "


def test_cancel_of_another_window_is_not_ours(playground, tmp_path):
    stream = playground.chat(ask(f"hold {tmp_path / 'go on'}"), token="mine")
    list(islice(stream, 3))
    playground.cancel("theirs")
    (tmp_path / "go on").touch()
    assert [chunk["base_done"] for chunk in stream] == [False, False, True]


def test_closing_the_stream_frees_the_models_for_the_next(playground):
    stream = playground.chat(ask("hold"))
    list(islice(stream, 3))
    stream.close()
    assert not playground.busy
    assert list(playground.chat(ask("hi")))[-1]["base"] == "hi0 hi1 "


def test_two_windows_at_once_wait_for_each_other(playground):
    answers = {}

    def one(text):
        answers[text] = list(playground.chat(ask(text)))[-1]["base"]

    threads = [threading.Thread(target=one, args=(text,)) for text in ("a", "b", "c", "d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {text: f"{text}0 {text}1 " for text in "abcd"}


def test_a_window_that_waits_too_long_is_told(workspace):
    playground = Playground(prepared(workspace).path, command=COMMAND, busy_timeout_s=0.2)
    stream = playground.chat(ask("hold"))
    list(islice(stream, 2))
    with pytest.raises(RunError, match="busy"):
        list(playground.chat(ask("hi")))
    stream.close()
    playground.close()


def test_a_refusal_is_told_and_the_models_stay(playground):
    with pytest.raises(StudioError, match="too long") as caught:
        list(playground.chat(ask("wrong")))
    assert caught.value.what_to_do == "Shorten it."
    first = pid_of(playground)
    list(playground.chat(ask("hi")))
    assert pid_of(playground) == first


def test_settings_out_of_range_are_told(playground):
    with pytest.raises(RunError, match="temperature"):
        list(playground.chat(ask("hi"), sampling={"temperature": 99}))


@pytest.mark.parametrize(("text", "code"), [("memory", "out_of_memory"), ("boom", "unexpected"), ("die", "out_of_memory")])  # fmt: skip
def test_after_a_crash_the_next_question_starts_afresh(playground, text, code):
    list(playground.chat(ask("hi")))
    first = pid_of(playground)
    with pytest.raises(StudioError) as caught:
        list(playground.chat(ask(text)))
    assert caught.value.code == code
    assert "secret" not in str(caught.value)
    assert list(playground.chat(ask("hi")))[-1]["base"] == "hi0 hi1 "
    assert pid_of(playground) != first


def test_a_process_killed_between_questions_is_replaced(playground):
    list(playground.chat(ask("hi")))
    os.kill(pid_of(playground), signal.SIGKILL)
    assert list(playground.chat(ask("hi")))[-1]["base"] == "hi0 hi1 "


def test_a_run_that_has_another_model_by_now_is_answered_by_that_one(playground):
    model = playground.run_dir / "model"
    model.mkdir()
    (model / "adapter_model.safetensors").write_bytes(b"stopped early")
    list(playground.chat(ask("hi")))
    first = pid_of(playground)
    list(playground.chat(ask("hi")))
    assert pid_of(playground) == first
    # Resumed and finished: built beside and renamed into place, as training does.
    resumed = model.with_name(".model.new")
    resumed.mkdir()
    (resumed / "adapter_model.safetensors").write_bytes(b"stopped later")
    shutil.rmtree(model)
    list(playground.chat(ask("hi")))
    assert pid_of(playground) == first, "between the two there is no model to change to"
    resumed.replace(model)
    chunks = list(playground.chat(ask("hi")))
    assert chunks[0]["status"] == "Loading the models."
    assert chunks[-1]["base"] == "hi0 hi1 "
    assert pid_of(playground) != first
    assert not processes.alive(first, None)


def test_what_a_library_prints_does_not_disturb(playground):
    assert list(playground.chat(ask("print")))[-1]["base"] == "print0 print1 "
    assert "a library talks" in (playground.run_dir / "playground.log").read_text()


def test_the_process_ends_when_nothing_is_asked(workspace):
    playground = Playground(prepared(workspace).path, command=COMMAND, idle_minutes=0.005)
    list(playground.chat(ask("hi")))
    wait_for(lambda: not playground.loaded)
    assert list(playground.chat(ask("hi")))[-1]["base"] == "hi0 hi1 "
    playground.close()


def test_closing_ends_the_process_even_amid_an_answer(playground):
    stream = playground.chat(ask("hold"))
    list(islice(stream, 3))
    pid = pid_of(playground)
    playground.close()
    assert not processes.alive(pid, None)
    rest = []
    with suppress(StudioError):  # it has told the end of its answer, or was too slow for that
        rest.extend(stream)
    assert all(chunk["base_done"] for chunk in rest)
    assert not playground.busy


def test_only_an_idle_process_makes_room(playground):
    stream = playground.chat(ask("hold"))
    list(islice(stream, 3))
    assert not playground.close_if_idle()
    assert playground.loaded
    stream.close()
    assert playground.close_if_idle()
    assert not playground.loaded
    assert list(playground.chat(ask("hi")))[-1]["base"] == "hi0 hi1 "


def test_the_process_ends_with_the_app(workspace):
    run = prepared(workspace)
    code = (
        "import sys; from pathlib import Path; from studio.runs.playground import Playground;"
        f"p = Playground(Path({str(run.path)!r}), command={COMMAND!r});"
        "list(p.chat([{'role': 'user', 'content': 'hi'}])); print(p.process.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as app:
        pid = int(app.stdout.readline())
        assert processes.alive(pid, None)
        app.kill()
    wait_for(lambda: not processes.alive(pid, None))


def test_a_run_that_is_gone_is_told(tmp_path):
    with pytest.raises(RunError, match="gone"):
        list(Playground(tmp_path / "nowhere", command=COMMAND).chat(ask("hi")))


def test_a_process_that_cannot_start_is_told_not_waited_for(workspace):
    playground = Playground(prepared(workspace).path, command=[sys.executable, "-c", "raise SystemExit('no torch')"])
    with pytest.raises(StudioError, match="gone"):
        list(playground.chat(ask("hi")))
    wait_for(lambda: "no torch" in (playground.run_dir / "playground.log").read_text())


def test_the_pool_holds_so_many_and_no_more(workspace):
    runs = [prepared(workspace, name) for name in "ab"]
    pool = PlaygroundPool(workspace, make=lambda path: Playground(path, command=COMMAND))
    first = pool.get(runs[0].id)
    list(first.chat(ask("hi")))
    second = pool.get(runs[1].id)
    assert not first.loaded
    list(second.chat(ask("hi")))
    assert pool.get(runs[1].id) is second
    assert second.loaded
    pool.close()
    assert not second.loaded
    with pytest.raises(RunError):
        pool.get("nowhere")


def test_the_pool_frees_the_memory_of_those_that_are_not_answering(workspace):
    runs = [prepared(workspace, name) for name in "ab"]
    pool = PlaygroundPool(workspace, max_loaded=2, make=lambda path: Playground(path, command=COMMAND))
    idle, answering = (pool.get(run.id) for run in runs)
    list(idle.chat(ask("hi")))
    stream = answering.chat(ask("hold"))
    list(islice(stream, 3))
    pool.free_memory()
    assert not idle.loaded
    assert answering.loaded
    stream.close()
    pool.close()
