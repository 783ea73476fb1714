"""The commands. Each is a thin walk through the same doors that the screens use."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from studio import __version__
from studio.cli.flags import told, with_answer_flags, with_setting_flags
from studio.core.answers import AnswerOptions
from studio.core.errors import RecipeError, StudioError
from studio.core.options import problems_of
from studio.core.workspace import Workspace

app = typer.Typer(
    name="studio",
    help="Tailor Studio: fit a model to your data. Without a command it opens the app in your browser.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
WorkspaceOption = Annotated[
    Path | None, typer.Option("--workspace", help="Folder that holds runs and models.", show_default=False)
]


@app.callback(invoke_without_command=True)
def open_app(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Anything but this machine demands --auth.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            help="Port; the next free one is taken when it is busy.",
            min=1,
            max=65535,
            envvar="TAILOR_PORT",
            show_envvar=True,
        ),
    ] = 7860,
    auth: Annotated[
        str | None,
        typer.Option(
            help="user:password, needed to listen beyond this machine.", envvar="TAILOR_AUTH", show_envvar=True
        ),
    ] = None,
    workspace: WorkspaceOption = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    if version:
        typer.echo(f"Tailor Studio {__version__}")
        raise typer.Exit
    context.obj = workspace
    if context.invoked_subcommand:
        return
    _serve(Workspace.open(workspace), host, port, parse_auth(auth), browser)


def _serve(workspace: Workspace, host: str, port: int, credentials: tuple[str, str] | None, browser: bool) -> None:
    """Open the app, say where it is, and stay until Ctrl-C or SIGTERM. Runs that are going on go on."""
    import signal

    from studio.ui.app import launch

    running = launch(workspace, host=host, port=port, auth=[credentials] if credentials else None)
    if running.port != port:
        typer.echo(f"Port {port} is busy, so {running.port} is used.")
    typer.echo(f"Tailor Studio is open at {running.url}")
    typer.echo(f"Runs are kept in {workspace.root}. Ctrl-C closes the studio; a training run goes on.")
    sys.stdout.flush()
    if browser:
        import webbrowser

        webbrowser.open(running.url)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        running.wait()
    except KeyboardInterrupt:
        typer.echo("\nClosed.")
    finally:
        running.close()


def parse_auth(text: str | None) -> tuple[str, str] | None:
    """``"user:password"`` as a pair.

    Raises:
        StudioError: a part is missing or the password is shorter than eight characters.
    """
    if not text:
        return None
    user, separator, password = text.partition(":")
    if not separator or not user or len(password) < 8:
        raise StudioError(
            "The login is not usable",
            "It has the form user:password, the password with 8 characters or more.",
            "Choose another --auth.",
        )
    return user, password


@app.command()
@with_setting_flags
def train(
    context: typer.Context,
    recipe: Annotated[Path | None, typer.Argument(help="A recipe file (YAML); data paths are relative to it.")] = None,
    data: Annotated[
        list[Path] | None, typer.Option("--data", help="Data file instead of a recipe; may be repeated.")
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="Task, when the data leaves a doubt.")] = None,
    base: Annotated[
        str | None, typer.Option("--base", help="Base model: catalogue id, Hub id or local folder.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Name of the run.")] = None,
    workspace: WorkspaceOption = None,
    *,
    settings: dict[str, dict[str, Any]],
) -> None:
    """Tune a model from a recipe, or from a data file with what the studio suggests."""
    from studio.cli.follow import follow, show_recipe
    from studio.core.recipe import Recipe
    from studio.runs.draft import Draft
    from studio.runs.launcher import Launcher

    space = _workspace(context, workspace)
    if recipe is None and not data:
        raise StudioError(
            "There is nothing to train", "Neither a recipe nor data was given.", "Add a recipe file, or --data FILE."
        )
    if recipe is not None and data:
        raise StudioError("Two sources of data", "The recipe names its data already.", "Leave --data out.")
    if recipe is not None:
        draft = Draft.from_recipe(space, Recipe.load(recipe), recipe.resolve().parent)
    else:
        draft = Draft.from_files(space, data or [])
    try:
        if task:
            draft.set_task(task)
        if base:
            draft.set_base(base)
        if name:
            draft.rename(name)
        problems = [problem for section, values in settings.items() for problem in draft.update(section, values)]
        if problems:
            raise RecipeError(problems)
        resolved = draft.freeze()
    except RecipeError as error:
        draft.run.delete()
        raise RecipeError(told(list(error.problems))) from None
    except BaseException:
        draft.run.delete()  # nobody will come back to it
        raise
    show_recipe(draft, resolved)
    launcher = Launcher(space)
    try:
        follow(draft.run, launcher)
    finally:
        launcher.close()


@app.command()
def check(
    context: typer.Context,
    data: Annotated[list[Path], typer.Argument(help="One or more data files.")],
    task: Annotated[str | None, typer.Option("--task", help="Task, when the data leaves a doubt.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print findings as JSON.")] = False,
) -> None:
    """Say what a data file holds and what should be mended before training. Writes nothing."""
    import tempfile

    from studio.cli.follow import show_findings
    from studio.runs.draft import Draft

    with tempfile.TemporaryDirectory(prefix="tailor-check-") as folder:
        draft = Draft.from_files(Workspace.open(folder), data)
        if task:
            draft.set_task(task)
        findings = draft.findings()
        if as_json:
            typer.echo(
                json.dumps(
                    {
                        "understood": draft.sentence(),
                        "notes": list(draft.table().notes),
                        "findings": [
                            {
                                "check": f.check, "severity": f.severity, "title": f.title, "count": f.count,
                                "explanation": f.explanation, "examples": list(f.examples), "fixes": [fix.id for fix in f.fixes],
                            }
                            for f in findings
                        ],
                    },
                    ensure_ascii=False, indent=1,
                )
            )  # fmt: skip
        else:
            show_findings(draft.sentence(), draft.table().notes, findings)
    if any(f.severity == "stop" for f in findings):
        raise typer.Exit(3)


@app.command()
def runs(context: typer.Context, workspace: WorkspaceOption = None) -> None:
    """List the runs of the workspace, the newest first."""
    from studio.cli.follow import show_runs

    show_runs(_reading(context, workspace))


@app.command()
def fetch(
    context: typer.Context,
    base: Annotated[str, typer.Argument(help="A base of the catalogue, or a Hub id (organisation/name).")],
    workspace: WorkspaceOption = None,
) -> None:
    """Download a base model, so that it can be tuned, compared and exported here without a network."""
    from studio.cli.follow import fetch_with_progress

    typer.echo(str(fetch_with_progress(base, _workspace(context, workspace))))


@app.command()
def export(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="A run or its name; `studio runs` lists them.")],
    kind: Annotated[str, typer.Option("--kind", help="adapter, merged or bundle.")] = "bundle",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Copy the file here: a folder that is there, or a file in one.", show_default=False),
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Write a tuned model as one zip, checked against the app's own answers."""
    from studio.cli.follow import export_with_progress, find_run

    typer.echo(str(export_with_progress(find_run(_reading(context, workspace), run), kind, out)))


@app.command()
@with_answer_flags
def chat(
    context: typer.Context,
    run: Annotated[str, typer.Argument(help="A run or its name; `studio runs` lists them.")],
    workspace: WorkspaceOption = None,
    prompt: Annotated[list[str] | None, typer.Option("--prompt", help="Ask this and end; may be repeated.")] = None,
    *,
    settings: dict[str, dict[str, Any]],
) -> None:
    """Ask base and tuned model the same, side by side. An empty line ends it."""
    from studio.cli.follow import converse, find_run

    try:
        sampling = AnswerOptions.model_validate(settings.get("answers", {})).model_dump()
    except ValidationError as error:
        raise RecipeError(told(problems_of(error, AnswerOptions, "answers"))) from None
    converse(find_run(_reading(context, workspace), run), iter(prompt) if prompt else _typed(), sampling)


@app.command()
def demo(
    context: typer.Context,
    workspace: WorkspaceOption = None,
    preset: Annotated[str, typer.Option(help="quick, balanced or thorough.")] = "balanced",
) -> None:
    """The whole journey without a browser: sample data, checks, split, tuning, comparison, export."""
    from studio.cli.demo import run_demo

    run_demo(_workspace(context, workspace), preset)


def _workspace(context: typer.Context, chosen: Path | None) -> Workspace:
    return Workspace.open(chosen or context.obj)


def _reading(context: typer.Context, chosen: Path | None) -> Workspace:
    """The workspace for a command that only reads: a mistyped folder is told and not made."""
    return Workspace.look(chosen or context.obj)


def _typed() -> Iterator[str]:
    """Lines from the terminal until an empty one or the end."""
    interactive = sys.stdin.isatty() and os.environ.get("TERM") != "dumb"
    while True:
        try:
            line = input("you › " if interactive else "")
        except EOFError:
            return
        if not line.strip():
            return
        yield line
