"""What the base is made for, tried: tune it on the sample conversations as a newcomer would, and lay the answers side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from studio.core.answers import AnswerOptions
from studio.core.errors import RecipeError, RunError
from studio.core.workspace import Workspace
from studio.runs.draft import Draft
from studio.runs.launcher import Launcher
from studio.runs.playground import Playground
from studio.tasks import base as tasks

SAMPLE = "support_chat.jsonl"
QUESTIONS = 20


def tune(base: Path, workspace: Workspace, preset: str = "balanced", sample: str = SAMPLE) -> dict[str, Any]:
    """Tune ``base`` on a sample with a preset and ask both models questions of the test split.

    Returns:
        ``seconds`` (wall clock of the run, the exam included), ``steps``, ``best_step``, ``report`` (the run's own) and
        ``answers``: question, right answer, base, tuned.

    Raises:
        StudioError: the run could not be started, or did not end well.
    """
    draft = Draft.from_sample(workspace, sample)
    draft.set_base(str(base))
    problems = draft.update("training", {"preset": preset})
    if problems:
        raise RecipeError(problems)
    draft.freeze()
    launcher = Launcher(workspace)
    try:
        for _ in launcher.run_in_foreground(draft.run):
            pass
    finally:
        launcher.close()
    state = draft.run.state()
    if state.state != "finished":
        raise RunError("The base could not be tuned", state.message, f"Look into the run “{draft.run.id}”.")
    return {
        "base": base.name,
        "sample": sample,
        "preset": preset,
        "seconds": round((state.ended or 0.0) - (state.started or 0.0), 1),
        "steps": state.step,
        "best_step": state.best_step,
        "report": draft.run.report() or {},
        "answers": _answers(draft),
    }


def _answers(draft: Draft) -> list[dict[str, str]]:
    rows = draft.splits().test[:QUESTIONS]
    prompts = tasks.get(draft.recipe().task).prompts(rows, QUESTIONS)
    right = {row["messages"][0]["content"]: row["messages"][-1]["content"] for row in rows}
    playground = Playground(draft.run.path)
    try:
        return [
            {"prompt": row["prompt"], "right": right.get(row["prompt"], ""), "base": row["base"], "tuned": row["tuned"]}
            for row in playground.answers(prompts, AnswerOptions().model_dump(), draft.recipe().data.system_prompt)
        ]
    finally:
        playground.close()


def write_trial(result: dict[str, Any], folder: Path) -> None:
    """``tuning.json`` for programs and ``tuned_answers.md`` for a reader."""
    (folder / "tuning.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "tuned_answers.md").write_text(trial_text(result), encoding="utf-8")


def trial_text(result: dict[str, Any]) -> str:
    lines = [
        f"# {result['base']} before and after tuning on {result['sample']}",
        "",
        *([trial_sentence(result), ""] if result["report"] else []),
        "| question | right answer | base | tuned |",
        "| --- | --- | --- | --- |",
    ]
    for row in result["answers"]:
        cells = (" ".join(row[key].split()).replace("|", "\\|") for key in ("prompt", "right", "base", "tuned"))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def trial_sentence(result: dict[str, Any]) -> str:
    """``Tuned with the Balanced preset in 48 s (108 steps, …): perplexity 199 → 8.8 on 36 rows that training never saw.``"""
    perplexity = result["report"]["metrics"]["perplexity"]
    return (
        f"Tuned with the {result['preset'].capitalize()} preset in {result['seconds']:.0f} s on two processor cores "
        f"({result['steps']} steps, the best checkpoint at step {result['best_step']}): perplexity "
        f"{perplexity['base']['value']:.3g} → {perplexity['tuned']['value']:.3g} on {result['report']['rows']} rows that "
        "training never saw."
    )
