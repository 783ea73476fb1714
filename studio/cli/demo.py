"""``studio demo``: the main job without a browser, on the sample conversations and the embedded base."""

from __future__ import annotations

import time

from rich.markup import escape
from rich.rule import Rule

from studio.cli.follow import console, converse, export_with_progress, follow, show_findings, show_recipe
from studio.core.errors import RecipeError
from studio.core.workspace import Workspace
from studio.runs.draft import Draft
from studio.runs.launcher import Launcher
from studio.tasks import base as tasks

SAMPLE = "support_chat.jsonl"


def run_demo(workspace: Workspace, preset: str) -> None:
    """
    Raises:
        StudioError: a step could not be done; it says which and why.
    """
    begun = time.monotonic()
    launcher = Launcher(workspace)
    launcher.warm()
    try:
        console.print(Rule("1 · Data", align="left"))
        draft = Draft.from_sample(workspace, SAMPLE)
        console.print(escape(draft.sentence()))
        console.print(Rule("2 · Prepare", align="left"))
        findings = draft.findings()
        show_findings("Checked for doubles, gaps, personal data, conflicts and length.", (), findings)
        for finding in findings:
            if finding.severity != "note" and finding.fixes:
                draft.apply(finding.check, finding.fixes[0].id)
                console.print(f"[green]✓[/] {escape(finding.fixes[0].title)}")
        console.print(Rule("3 · Model", align="left"))
        problems = draft.update("training", {"preset": preset})
        if problems:
            raise RecipeError(problems)
        show_recipe(draft, draft.freeze(), understood=False)
        console.print(Rule("4 · Train", align="left"))
        follow(draft.run, launcher)
        console.print(Rule("5 · Compare", align="left"))
        splits = draft.splits()
        questions = tasks.get(draft.recipe().task).prompts(splits.test or splits.validation or splits.train, 3)
        converse(draft.run, iter(questions), {"max_new_tokens": 80, "temperature": 0.7, "top_p": 0.9, "seed": 42})
        console.print(Rule("6 · Export", align="left"))
        path = export_with_progress(draft.run, "bundle")
        console.print(f"[green]✓[/] {escape(str(path))} ({path.stat().st_size / 1e6:.1f} MB), checked against the app.")
        console.print(
            f"The whole journey took {(time.monotonic() - begun) / 60:.1f} minutes. Open the run with: studio"
        )
    finally:
        launcher.close()
