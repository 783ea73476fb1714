"""The six steps: which are possible for a run, which are done, and why one is not possible yet."""

from __future__ import annotations

from dataclasses import dataclass

from studio.runs.folder import RunFolder
from studio.runs.state import ACTIVE, RunState
from studio.ui.views.html import Safe, join, tag

STEPS = ("Data", "Prepare", "Model", "Train", "Compare", "Export")
DATA, PREPARE, MODEL, TRAIN, COMPARE, EXPORT = range(6)


@dataclass(frozen=True)
class StepStatus:
    """``why_not`` is empty when the step is possible."""

    done: bool = False
    why_not: str = ""


def journey(run: RunFolder | None, state: RunState | None = None) -> list[StepStatus]:
    """Where a run stands, one status a step."""
    if run is None:
        return [StepStatus(), *[StepStatus(why_not="Load data first.")] * 5]
    state = state or run.state()
    if state.state == "draft":
        reached = state.step_of_journey
        later = "Press Start tuning in step 3 first."
        return [
            StepStatus(done=reached > DATA),
            StepStatus(done=reached > PREPARE),
            StepStatus(),
            StepStatus(why_not=later),
            StepStatus(why_not=later),
            StepStatus(why_not=later),
        ]
    tuned = state.state in {"finished", "stopped"} and has_model(run)
    if tuned:
        later = ""
    elif state.state in ACTIVE or state.state == "queued":
        later = "Possible when the run has finished."
    else:
        later = "This run has no tuned model. Resume it, or start a new run."
    exported = any(run.exports_dir.glob("*.zip")) if run.exports_dir.is_dir() else False
    return [
        StepStatus(done=True),
        StepStatus(done=True),
        StepStatus(done=True),
        StepStatus(done=tuned),
        StepStatus(done=exported, why_not=later),
        StepStatus(done=exported, why_not=later),
    ]


def has_model(run: RunFolder) -> bool:
    """Whether the folder holds a tuned model."""
    return (run.model_dir / "tailor.json").is_file()


def landing(run: RunFolder | None, wanted: int | None = None) -> int:
    """The step to show when a run is opened: the wanted one if it is possible, else where the person was."""
    if run is None:
        return DATA
    state = run.state()
    if wanted is None:
        wanted = state.step_of_journey if state.state == "draft" else TRAIN
    steps = journey(run, state)
    wanted = min(max(wanted, DATA), EXPORT)
    while wanted > DATA and steps[wanted].why_not:
        wanted -= 1
    return wanted


def header(
    statuses: list[StepStatus],
    current: int,
    run_id: str | None,
    busy: bool = False,
    visit: int | None = None,
    travel: int = 0,
    gone: bool = False,
) -> Safe:
    """The six steps as a row of buttons. It also tells the browser which run and step the address should name, and
    whether a step is being filled just now. ``visit`` grows with each time a person goes somewhere,
    ``travel`` is the number of the Back or Forward that led there; ``gone``: the run was deleted."""
    items = []
    for index, (name, status) in enumerate(zip(STEPS, statuses, strict=True)):
        here = index == current
        word = "done" if status.done else ""
        items.append(
            tag(
                "li",
                tag(
                    "button",
                    tag(
                        "span",
                        "✓" if status.done and not here else index + 1,
                        class_="ts-step-mark",
                        aria_hidden="true",
                    ),
                    tag("span", name, class_="ts-step-name"),
                    tag("span", f", {word}", class_="ts-visually-hidden") if word else None,
                    type="button",
                    data_step=index,
                    aria_current="step" if here else None,
                    aria_disabled="true" if status.why_not else None,
                    title=status.why_not or None,
                    class_=f"ts-step {'ts-here' if here else ''} {'ts-done' if status.done else ''}",
                ),
            )
        )
    return tag(
        "nav",
        tag("ol", join(*items)),
        class_="ts-journey",
        aria_label="Steps",
        data_run=run_id or "",
        data_current=current,
        data_busy=busy,
        data_visit=visit,
        data_travel=travel or None,
        data_gone=gone,
        aria_busy="true" if busy else None,
    )
