"""What the commands print: recipe, findings, runs, a run as it goes, answers side by side."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from studio.core.errors import ExportError, RunError
from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.data.types import Finding
from studio.runs.draft import Draft
from studio.runs.exports import export_state, start_export
from studio.runs.folder import RunFolder, list_runs
from studio.runs.launcher import Launcher
from studio.runs.state import ENDED

console = Console(highlight=False)
TOO_LONG = "too_long"
"""The code of a message that does not fit into the context (see :mod:`studio.inference.dialogue`)."""
_BASE, _TUNED = "#56B4E9", "#D55E00"
_SIGNS = {"stop": "[red]✕[/]", "caution": "[yellow]![/]", "note": "[dim]·[/]"}


def show_recipe(draft: Draft, recipe: Recipe, *, understood: bool = True) -> None:
    """What was ``understood`` of the data, what will run and why, and what to know before."""
    sizes = draft.splits().sizes()
    if understood:
        console.print(escape(draft.sentence()))
        for note in draft.table().notes:
            console.print(f"[dim]· {escape(note)}[/]")
    console.print(f"{sizes['train']} rows to learn from, {sizes['validation']} to watch, {sizes['test']} for the exam.")
    table = Table("setting", "value", "why", box=None, header_style="dim", pad_edge=False)
    for field in (
        "method.kind",
        "training.epochs",
        "training.learning_rate",
        "training.batch_size",
        "training.max_length",
    ):
        section, _, name = field.partition(".")
        value = getattr(getattr(recipe, section), name)
        table.add_row(
            name.replace("_", " "),
            f"{value:g}" if isinstance(value, float) else str(value),
            escape(recipe.reasons.get(field, "")),
        )
    console.print(f"Base: [bold]{escape(recipe.base.id)}[/]")
    console.print(table)
    for caution in draft.cautions(recipe):
        console.print(f"{_SIGNS['caution']} {escape(caution.message)}")


def show_findings(sentence: str, notes: Iterable[str], findings: Sequence[Finding]) -> None:
    console.print(escape(sentence))
    for note in notes:
        console.print(f"[dim]· {escape(note)}[/]")
    if not findings:
        console.print("[green]✓[/] Nothing to mend.")
    for finding in findings:
        console.print(f"{_SIGNS[finding.severity]} [bold]{escape(finding.title)}[/]")
        console.print(f"  {escape(finding.explanation)}")
        for example in finding.examples[:2]:
            console.print(f"  [dim]{escape(' '.join(example.split())[:100])}[/]")
        for fix in finding.fixes:
            console.print(f"  [dim]fix:[/] {escape(fix.title)} [dim]({fix.id})[/]")


def show_runs(workspace: Workspace) -> None:
    listed = list_runs(workspace)
    if not listed:
        console.print(f"There are no runs yet in {escape(str(workspace.root))}. `studio demo` makes one.")
        return
    names = {run.id: run.name() for run in listed}
    named = any(name != run_id for run_id, name in names.items())
    columns = ["run", *(["name"] if named else []), "state", "step", "started", ""]
    table = Table(*columns, box=None, header_style="dim", pad_edge=False)
    for run in listed:
        state = run.state()
        begun = state.started or state.created
        when = datetime.fromtimestamp(begun).strftime("%Y-%m-%d %H:%M") if begun else ""
        step = f"{state.step}/{state.total_steps}" if state.total_steps else ""
        name = [escape(names[run.id]) if names[run.id] != run.id else ""] if named else []
        table.add_row(run.id, *name, state.state, step, when, escape(state.message[:80]))
    console.print(table)


def find_run(workspace: Workspace, wanted: str) -> RunFolder:
    """A run by its id, or by the name it has on the screen when no other has it.

    Raises:
        RunError: there is none, or several have this name.
    """
    listed = list_runs(workspace)
    found = [run for run in listed if run.id == wanted]
    found = found or [run for run in listed if run.name().casefold() == wanted.casefold()]
    if not found:
        raise RunError(
            "There is no such run", f"“{wanted[:80]}” is not in {workspace.root}.", "`studio runs` lists them."
        )
    if len(found) > 1:
        ids = ", ".join(run.id for run in found)
        raise RunError("Several runs have this name", f"“{wanted[:80]}” is {ids}.", "Choose one of these.")
    return found[0]


def follow(run: RunFolder, launcher: Launcher) -> None:
    """Start the run and show it until it ends; Ctrl-C pauses it.

    Raises:
        RunError: the run failed or was cut off.
    """
    console.print(f"Run [bold]{run.id}[/] in {escape(str(run.path))}")
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[loss]}"), console=console,
    ) as progress:  # fmt: skip
        bar = progress.add_task("starting", total=None, loss="")
        for event in launcher.run_in_foreground(run):
            _show_event(event, progress, bar)
    state = run.state()
    if state.state in {"failed", "interrupted"}:
        error = state.error or {}
        raise RunError(
            error.get("title") or "The run was cut off",
            error.get("what_happened") or state.message,
            error.get("what_to_do") or "Look into log.txt in its folder.",
        )
    console.print(f"[green]✓[/] {escape(state.message or state.state)}")
    show_report(run.report())


def _show_event(event: dict[str, Any], progress: Progress, bar: Any) -> None:
    match event["kind"]:
        case "metric":
            if event.get("validation_loss") is not None:
                progress.update(bar, loss=f"validation loss {event['validation_loss']:.3f}")
            progress.update(bar, completed=event.get("step", 0))
        case "status":
            changes: dict[str, Any] = {"description": str(event.get("state") or "training")}
            if event.get("total_steps"):
                changes["total"] = event["total_steps"]
            progress.update(bar, **changes)
        case "note":
            progress.console.print(f"[dim]step {event.get('step', '')}:[/] {escape(str(event.get('text', '')))}")
        case "error":
            progress.console.print(f"[red]✕[/] {escape(str(event.get('title', '')))}")


def show_report(report: dict[str, Any] | None) -> None:
    """The held-out numbers, base and tuned, and the verdict."""
    if not report:
        return
    table = Table("held out", "base", "tuned", "", box=None, header_style="dim", pad_edge=False)
    for metric in report.get("metrics", {}).values():
        better = "higher is better" if metric["higher_is_better"] else "lower is better"
        table.add_row(
            metric["title"],
            f"[{_BASE}]{_interval(metric['base'])}[/]",
            f"[{_TUNED}]{_interval(metric['tuned'])}[/]",
            f"[dim]{better}[/]",
        )
    console.print(table)
    console.print(escape(report.get("verdict", "")))


def _interval(value: dict[str, Any] | None) -> str:
    if not value or value.get("value") is None:
        return "–"
    text = f"{value['value']:.3g}"
    if value.get("low") is not None and value.get("high") is not None:
        text += f" ({value['low']:.3g} to {value['high']:.3g})"
    return text


def export_with_progress(run: RunFolder, kind: str, out: Path | None = None) -> Path:
    """
    Raises:
        ExportError: the kind is not offered, the file did not pass its check, or it cannot be put at ``out``.
    """
    if out and not out.is_dir() and not out.parent.is_dir():
        raise ExportError(
            "There is no folder for the file",
            f"{out.parent} is not a folder.",
            "Make it first, or choose another --out.",
        )
    start_export(run, kind)
    with Progress(TextColumn("{task.description}"), BarColumn(), console=Console(stderr=True)) as progress:
        bar = progress.add_task("exporting", total=1.0)
        while (state := export_state(run, kind))["state"] == "working":
            progress.update(
                bar, completed=state.get("progress", 0), description=escape(str(state.get("message") or "exporting"))
            )
            time.sleep(0.2)
        progress.update(bar, completed=1.0)
    if state["state"] != "ready":
        raise ExportError(
            "The export failed", str(state.get("message", "")), "Look into the log in the run's exports folder."
        )
    path = Path(state["path"])
    if out:
        out = out / path.name if out.is_dir() else out
        try:
            shutil.copyfile(path, out)
        except OSError as error:
            raise ExportError(
                "The file could not be copied", f"{out}: {error.strerror or error}.", f"It is ready at {path}."
            ) from None
        return out
    return path


def fetch_with_progress(base: str, workspace: Workspace) -> Path:
    """
    Raises:
        ModelError: there is no such base, no network, or its makers want a login.
    """
    from studio.models.catalogue import find
    from studio.models.fetch import fetch

    errors = Console(stderr=True, highlight=False)
    card = find(base, workspace)
    if card.path is not None:
        errors.print(f"{escape(card.title)} is on this machine already.")
        return card.path
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=errors) as progress:
        bar = progress.add_task("asking the Hub", total=1.0)

        def tell(sentence: str, share: float) -> None:
            progress.update(bar, completed=share, description=escape(sentence))

        return fetch(card, workspace, tell)


def converse(run: RunFolder, questions: Iterator[str], sampling: dict[str, Any]) -> None:
    """Ask both models each question, side by side.

    Raises:
        RunError: the run has no model yet.
    """
    from studio.runs.playground import Playground
    from studio.tasks import base as tasks

    if run.state().state not in ENDED or not run.model_dir.is_dir():
        raise RunError("There is no tuned model yet", f"“{run.id}” has not been trained to the end.", "Train it first.")
    recipe = run.recipe()
    playground = Playground(run.path)
    histories: dict[str, list[dict[str, str]]] = {"base": [], "tuned": []}
    if recipe.data.system_prompt:
        for history in histories.values():
            history.append({"role": "system", "content": recipe.data.system_prompt})
    try:
        for question in questions:
            if tasks.get(recipe.task).playground == "classify":
                _show_classes(question, playground.classify(question))
                continue
            asked = {side: [*history, {"role": "user", "content": question}] for side, history in histories.items()}
            answers = {"base": "", "tuned": ""}
            identity = {"base": "", "tuned": ""}
            try:
                for chunk in playground.chat(asked["base"], asked["tuned"], sampling):
                    for side in answers:
                        answers[side] = chunk[side]
                        identity[side] = chunk.get(f"{side}_identity") or identity[side]
            except RunError as error:
                if error.code != TOO_LONG:
                    raise
                console.print(f"[bold red]✕[/] {escape(str(error))}")  # the conversation goes on without it
                continue
            for side in histories:
                histories[side] = [*asked[side], {"role": "assistant", "content": answers[side]}]
            show_pair(question, answers, identity)
    finally:
        playground.close()


def show_pair(question: str, answers: dict[str, str], identity: dict[str, str]) -> None:
    console.print(f"[bold]{escape(question)}[/]")
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(ratio=1)
    table.add_column(ratio=1)
    table.add_row(
        Panel(escape(answers["base"].strip()), title="base", subtitle=escape(identity["base"]), border_style=_BASE),
        Panel(escape(answers["tuned"].strip()), title="tuned", subtitle=escape(identity["tuned"]), border_style=_TUNED),
    )
    console.print(table)


def _show_classes(text: str, answer: dict[str, Any]) -> None:
    console.print(f"[bold]{escape(text)}[/]")
    table = Table("label", "base", "tuned", box=None, header_style="dim")
    rows = sorted(zip(answer["labels"], answer["base"], answer["tuned"], strict=True), key=lambda row: -row[2])
    for label, base, tuned in rows[:10]:
        table.add_row(escape(label), f"[{_BASE}]{base:.0%}[/]", f"[{_TUNED}]{tuned:.0%}[/]")
    console.print(table)
