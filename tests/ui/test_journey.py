"""The main job, in a real browser on real input: upload → prepare → model → train → compare → export, for both tasks;
a reload, a killed server and a killed worker on the way. What is downloaded is opened as its reader would open it."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from studio.core.assets import sample_data_dir
from studio.core.workspace import Workspace
from studio.runs import processes
from studio.runs.draft import Draft
from studio.runs.events import read_events
from studio.training.checkpoints import latest_checkpoint, step_of

from .conftest import settle, wait_until

if TYPE_CHECKING:
    from tests.ui.conftest import App

pytestmark = pytest.mark.slow
MINUTES = 60_000


def chat_sheet(folder: Path) -> Path:
    """A spreadsheet as a person has it: two columns of their own naming, a few doubles and gaps."""
    import openpyxl

    rng = random.Random(5)
    towns = ["Ashby", "Corfe", "Dunmore", "Elling", "Farrow", "Glynde", "Hexham", "Ilkley"]
    rows = [
        (f"When does the {kind} to {town} leave on {day}?", f"Ahoy. The {kind} to {town} leaves at {rng.randint(6, 21)}:15 on {day}. Fair winds.")
        for town in towns for kind in ("ferry", "night boat") for day in ("Monday", "Friday", "Sunday")
    ]  # fmt: skip
    book = openpyxl.Workbook()
    book.active.append(["Customer asks", "We reply"])
    for row in [*rows, *rows[:3], ("Is there a bus?", None)]:
        book.active.append(row)
    path = folder / "harbour desk.xlsx"
    book.save(path)
    return path


def label_sheet(folder: Path) -> Path:
    """Labelled rows with two labels, semicolons between the columns."""
    with (sample_data_dir() / "ticket_labels.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["category"] in {"billing", "delivery"}]
    path = folder / "mail.csv"
    with path.open("w", newline="", encoding="cp1252", errors="replace") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["Message", "Team"])
        writer.writerows((row["ticket_text"], row["category"]) for row in rows)
    return path


def bring(page: Any, app: App, path: Path) -> str:
    page.goto(app.url)
    page.wait_for_selector("button[data-sample]:visible")
    settle(page)
    page.set_input_files("#ts-drop input[type=file]", str(path))
    page.wait_for_selector("#ts-rows table:visible")
    page.wait_for_function("new URL(location.href).searchParams.has('run')")
    settle(page)
    return str(page.evaluate("new URL(location.href).searchParams.get('run')"))


def to_model(page: Any) -> None:
    page.click("#ts-next-data")
    page.wait_for_selector("#ts-seen pre:visible")
    settle(page)
    page.click("#ts-next-prepare")
    page.wait_for_selector("#ts-start:visible")
    settle(page)


def start(page: Any, preset: str = "quick") -> None:
    page.click(f"#ts-preset-{preset}")
    page.wait_for_selector(f"#ts-preset-{preset}.primary")
    page.click("#ts-start")
    page.wait_for_selector("#ts-status:visible")


def wait_for_state(page: Any, app: App, run: str, *states: str, minutes: float = 20) -> None:
    for _ in range(int(minutes * 120)):
        if app.state(run)["state"] in states:
            return
        page.wait_for_timeout(500)
    log = app.workspace / "runs" / run / "log.txt"
    raise AssertionError(f"{run} is {app.state(run)}\n{log.read_text()[-3000:] if log.exists() else ''}")


def wait_for_step(page: Any, app: App, run: str, step: int) -> None:
    events = app.workspace / "runs" / run / "events.jsonl"
    for _ in range(2_400):
        if events.exists() and max(steps_of(app, run), default=-1) >= step:
            return
        page.wait_for_timeout(250)
    raise AssertionError(f"{run} never came to step {step}: {app.state(run)}")


def events_of(app: App, run: str) -> list[dict[str, Any]]:
    return read_events(app.workspace / "runs" / run / "events.jsonl")[0]


def steps_of(app: App, run: str) -> list[int]:
    """The steps that were measured, in the order in which they were."""
    return [event["step"] for event in events_of(app, run) if event["kind"] == "metric"]


def wait_for_points(page: Any, least: int) -> None:
    page.wait_for_function(
        "least => document.querySelector('#ts-chart .js-plotly-plot')?.data?.some(t => t.x?.length >= least)", arg=least
    )


def ask_both(page: Any, question: str) -> None:
    """Until both have said all they have to say."""
    page.wait_for_selector("#ts-ask:visible")
    settle(page)
    page.fill("#ts-ask textarea", question)
    page.keyboard.press("Enter")
    page.wait_for_selector("#ts-panes >> text=/tokens/", timeout=10 * MINUTES)
    page.wait_for_selector("#ts-chat-stop", state="hidden", timeout=10 * MINUTES)


def vote_blind(page: Any, app: App, run: str) -> None:
    """Names stay hidden until the vote, and what is kept says who spoke."""
    page.check("#ts-blind input")
    page.wait_for_selector("#ts-panes .ts-nothing >> text=without their names")
    page.fill("#ts-ask textarea", "When does the night boat to Hexham leave on Monday?")
    page.keyboard.press("Enter")
    page.wait_for_selector("#ts-vote-A:visible", timeout=10 * MINUTES)
    assert "weights" not in page.inner_text("#ts-panes")
    page.click("#ts-vote-A")
    page.wait_for_selector("#ts-panes >> text=/full weights/")
    (vote,) = (json.loads(line) for line in (app.workspace / "runs" / run / "feedback.jsonl").read_text().splitlines())
    assert vote["winner"] == vote["sides"]["A"]
    assert "full weights" in vote["identities"]["tuned"]


def ask_a_list(page: Any, folder: Path) -> None:
    page.click("button[role=tab]:has-text('Prompt list')")
    page.click("#ts-list-start")
    page.wait_for_selector("#ts-list-download:visible", timeout=10 * MINUTES)
    with page.expect_download() as started:
        page.click("#ts-list-download")
    started.value.save_as(folder / "answers.csv")
    with (folder / "answers.csv").open(newline="", encoding="utf-8-sig") as file:
        answers = list(csv.DictReader(file))
    assert answers
    assert all(row["prompt"] and row["expected"].startswith("Ahoy") for row in answers)


def download(page: Any, kind: str, folder: Path) -> Path:
    settle(page)
    page.click(f"#ts-make-{kind}")
    page.wait_for_selector(f"#ts-export-{kind} >> text=checked against the app", timeout=10 * MINUTES)
    with page.expect_download() as started:
        page.click(f"#ts-download-{kind}")
    target = folder / started.value.suggested_filename
    started.value.save_as(target)
    return target


def unpacked(archive: Path) -> Path:
    with zipfile.ZipFile(archive) as zipped:
        assert zipped.testzip() is None
        zipped.extractall(archive.parent / archive.stem)
    return archive.parent / archive.stem


def loads_and_answers(folder: Path, program: str, *arguments: str) -> str:
    """Open the export as its reader would: transformers, a process of its own, no network."""
    config = next(path for path in sorted(folder.rglob("config.json")) if (path.parent / "model.safetensors").is_file())
    done = subprocess.run(
        [sys.executable, "-c", program, str(config.parent), *arguments],
        capture_output=True, text=True, timeout=240, env={**os.environ, "HF_HUB_OFFLINE": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


CHAT_READER = """
import sys
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
asked = tokenizer.apply_chat_template([{"role": "user", "content": "When does the ferry to Corfe leave on Friday?"}],
    add_generation_prompt=True, return_tensors="pt", return_dict=True)
answer = model.generate(**asked, max_new_tokens=40, do_sample=False)
print(tokenizer.decode(answer[0, asked["input_ids"].shape[1]:], skip_special_tokens=True))
"""
ADAPTER_READER = CHAT_READER.replace("sys.argv[1])\nmodel", "sys.argv[2])\nmodel").replace(
    "\nasked", "\nfrom peft import PeftModel\nmodel = PeftModel.from_pretrained(model, sys.argv[2])\nasked"
)
LABEL_READER = """
import sys
from transformers import pipeline
print(pipeline("text-classification", model=sys.argv[1])("I was charged twice on my card")[0]["label"])
"""


def test_chat_from_a_spreadsheet_to_a_tuned_model_on_disk(page: Any, app: App, tmp_path: Path) -> None:
    run = bring(page, app, chat_sheet(tmp_path))
    assert "speaks for the person" in page.inner_text("#ts-understood")
    page.click("#ts-next-data")
    page.wait_for_selector("#ts-seen pre:visible")
    page.locator("button[data-action=fix]").first.click()
    page.wait_for_selector("button[data-action=undo]")
    settle(page)
    page.click("#ts-next-prepare")
    page.wait_for_selector("#ts-start:visible")
    settle(page)
    start(page)

    wait_for_step(page, app, run, 3)
    wait_for_points(page, 2)
    page.reload()
    wait_for_points(page, 2)
    assert page.evaluate("new URL(location.href).searchParams.get('run')") == run

    wait_for_state(page, app, run, "finished")
    page.wait_for_selector("#ts-to-compare:visible:enabled")
    wait_for_points(page, 6)
    page.click("#ts-to-compare")
    ask_both(page, "When does the ferry to Corfe leave on Friday?")
    panes = page.inner_text("#ts-panes")
    assert re.search(r"full weights .*[0-9a-f]{6}", panes), panes
    assert "seedling" in panes
    report = json.loads((app.workspace / "runs" / run / "report.json").read_text())
    assert report["metrics"]["loss"]["tuned"]["value"] < report["metrics"]["loss"]["base"]["value"]
    assert report["verdict"].split(".")[0] in page.inner_text("#ts-report")

    vote_blind(page, app, run)
    ask_a_list(page, tmp_path)
    page.click("#ts-to-export")
    page.wait_for_selector("#ts-make-merged:visible")
    answer = loads_and_answers(unpacked(download(page, "merged", tmp_path)), CHAT_READER)
    assert "Ahoy" in answer, "the voice of the sheet is in the model that was taken away"


def test_an_adapter_is_tuned_compared_and_carried_away_with_its_base(page: Any, app: App, tmp_path: Path) -> None:
    run = bring(page, app, chat_sheet(tmp_path))
    to_model(page)
    page.click("#ts-advanced > button")
    # The list opens where the field is at that moment: a field in the middle of the screen, on a page that has settled.
    page.eval_on_selector("#ts-method-kind", "field => field.scrollIntoView({block: 'center', behavior: 'instant'})")
    page.wait_for_selector("#ts-receipt >> text=measured here", state="attached")
    page.click("#ts-method-kind input")
    page.click("[role=option] >> text=small adapter")
    page.wait_for_selector("#ts-receipt >> text=a small adapter")
    settle(page)
    start(page)
    wait_for_state(page, app, run, "finished")
    page.wait_for_selector("#ts-to-compare:visible:enabled")
    page.click("#ts-to-compare")
    ask_both(page, "When does the ferry to Corfe leave on Friday?")
    panes = page.inner_text("#ts-panes")
    assert "adapter off" in panes
    assert re.search(r"adapter .*[0-9a-f]{6}", panes), panes
    page.click("#ts-to-export")
    page.wait_for_selector("#ts-make-adapter:visible")
    folder = unpacked(download(page, "adapter", tmp_path))
    (adapter,) = folder.rglob("adapter_model.safetensors")
    merged = unpacked(download(page, "merged", tmp_path))
    answers = {
        loads_and_answers(adapter.parent / "base", ADAPTER_READER, str(adapter.parent)),
        loads_and_answers(merged, CHAT_READER),
    }
    assert len(answers) == 1, f"the adapter on its base and the merged model answer alike: {answers}"


def test_labels_from_a_spreadsheet_to_a_bundle_on_disk(page: Any, app: App, tmp_path: Path) -> None:
    run = bring(page, app, label_sheet(tmp_path))
    assert "2 labels" in page.inner_text("#ts-understood")
    to_model(page)
    start(page)
    wait_for_state(page, app, run, "finished")
    page.wait_for_selector("#ts-to-compare:visible:enabled")
    page.click("#ts-to-compare")
    page.wait_for_selector("#ts-classify:visible")
    settle(page)
    page.fill("#ts-classify textarea", "My parcel is late")
    page.locator("#ts-classify button").last.click()
    page.wait_for_selector("#ts-bars >> text=/%/", timeout=10 * MINUTES)
    assert "delivery" in page.inner_text("#ts-bars")
    report = json.loads((app.workspace / "runs" / run / "report.json").read_text())
    assert sum(map(sum, report["confusion"]["tuned"])) == report["rows"]
    page.click("#ts-to-export")
    page.wait_for_selector("#ts-make-bundle:visible")
    folder = unpacked(download(page, "bundle", tmp_path))
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert {"README.md", "recipe.yaml", "report.json", "try_it.py", "environment.txt", "model.safetensors"} <= names
    assert loads_and_answers(folder, LABEL_READER).strip() in {"billing", "delivery"}


def test_a_killed_server_leaves_the_run_alone_and_a_killed_worker_is_resumed(
    page: Any, app: App, tmp_path: Path
) -> None:
    run = bring(page, app, sample_data_dir() / "support_chat.jsonl")
    # So long that it is still going on whatever holds this test up, and with a first checkpoint soon.
    settings = {"epochs": 100.0, "evaluation_interval": 10, "early_stopping_patience": 0}
    assert not Draft.open(Workspace.open(app.workspace), run).update("training", settings)
    to_model(page)
    page.click("#ts-start")
    page.wait_for_selector("#ts-status:visible")
    wait_for_step(page, app, run, 3)
    worker, started = app.state(run)["pid"], app.state(run)["pid_started"]
    page.goto("about:blank")
    app.stop(signal.SIGKILL)
    reached = steps_of(app, run)[-1]
    wait_for_step(page, app, run, reached + 2)
    assert processes.alive(worker, started), "the run outlives the server"
    app.start()
    page.goto(f"{app.url}?run={run}")
    page.wait_for_selector("#ts-chart .js-plotly-plot")

    page.wait_for_selector("#ts-pause:visible")
    checkpoints = app.workspace / "runs" / run / "checkpoints"
    wait_until(page, lambda: latest_checkpoint(checkpoints))
    assert processes.end(worker, started, kill=True)
    page.wait_for_selector("#ts-resume:visible")
    kept = latest_checkpoint(checkpoints)
    assert kept is not None
    before = len(events_of(app, run))
    reached = steps_of(app, run)[-1]
    page.click("#ts-resume")
    wait_for_step(page, app, run, reached + 2)
    anew = events_of(app, run)[before:]
    assert [e["resumed_from_step"] for e in anew if "resumed_from_step" in e] == [step_of(kept)]
    assert min(e["step"] for e in anew if e["kind"] == "metric") > step_of(kept) > 0, (
        "it went on, not from the beginning"
    )
    page.click("#ts-stop")
    wait_for_state(page, app, run, "finished", "stopped")
    page.wait_for_selector("#ts-to-compare:visible:enabled")
