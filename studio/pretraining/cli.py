"""The steps of the recipe as commands, in the order in which they are run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from studio.core.errors import StudioError
from studio.pretraining.settings import DEFAULT_SETTINGS, Settings, read_settings

app = typer.Typer(
    help="Make the embedded base model: corpus → tokenizer → pretrain → decay → instruct → export → evaluate → tune → card. "
    "Every number is in settings.yaml; every step goes on where it was cut off.",
    no_args_is_help=True,
    add_completion=False,
)

WorkOption = Annotated[Path, typer.Option("--work", help="Folder for texts, tokens, checkpoints and exports.")]
SettingsOption = Annotated[Path, typer.Option("--settings", help="The YAML file with every number.")]
RunOption = Annotated[str, typer.Option("--run", help="Name of the training run inside the work folder.")]
MinutesOption = Annotated[float | None, typer.Option("--minutes", help="Stop with a checkpoint after so long.")]
StepsOption = Annotated[int | None, typer.Option("--steps", help="Steps of this phase; default: the settings'.")]


@app.command()
def corpus(
    texts: Annotated[Path, typer.Option("--texts", help="Folder that holds the files named in the settings.")],
    work: WorkOption,
    only: Annotated[list[str] | None, typer.Option("--only", help="This source alone; may be repeated.")] = None,
    settings_file: SettingsOption = DEFAULT_SETTINGS,
) -> None:
    """Clean every source that is used, drop copies, and put a held-out part aside."""
    from studio.pretraining.corpus import prepare_source

    settings = read_settings(settings_file)
    report_file = work / "text" / "corpus.json"
    report: dict[str, Any] = json.loads(report_file.read_text(encoding="utf-8")) if report_file.is_file() else {}
    for name in only or settings.used_sources():
        counts = prepare_source(name, settings.corpus.sources[name], settings.corpus, texts, work / "text")
        report[name] = vars(counts)
        typer.echo(
            f"{name:16} {counts.documents:6,} documents, {counts.characters / 1e6:6.2f} M characters; held out "
            f"{counts.held_out_documents} ({counts.held_out_characters / 1e3:.0f} k); left out {counts.left_out}"
        )
    report_file.write_text(json.dumps(report, indent=1), encoding="utf-8")


@app.command()
def tokenizer(
    work: WorkOption,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Tokenise this source alone; may be repeated.")
    ] = None,
    settings_file: SettingsOption = DEFAULT_SETTINGS,
) -> None:
    """Learn the vocabulary (unless it is there already) and tokenise the cleaned text."""
    from studio.pretraining.corpus import read_documents
    from studio.pretraining.packing import write_tokens
    from studio.pretraining.tokenizer import load_tokenizer, sample_texts, save_tokenizer, train_tokenizer

    settings = read_settings(settings_file)
    folder = work / "tokenizer"
    if not (folder / "tokenizer.json").is_file():
        options = settings.tokenizer
        texts = sample_texts(
            work / "text", settings.pretraining.stable.mixture, int(options.sample_megabytes * 1_000_000)
        )
        save_tokenizer(train_tokenizer(texts, options.vocabulary), folder, settings.shape.context)
    learned = load_tokenizer(folder)
    report_file = work / "tokens" / "tokens.json"
    report = json.loads(report_file.read_text(encoding="utf-8")) if report_file.is_file() else {}
    for name in only or settings.used_sources():
        target = work / "tokens" / name
        target.mkdir(parents=True, exist_ok=True)
        for part in ("train", "held_out"):
            documents = read_documents(work / "text" / name / f"{part}.jsonl")
            count = write_tokens(learned, documents, target / f"{part}.bin")
            report[f"{name}/{part}"] = count
        typer.echo(f"{name:16} {report[f'{name}/train']:10,} tokens; held out {report[f'{name}/held_out']:,}")
    report_file.write_text(json.dumps(report, indent=1), encoding="utf-8")


@app.command()
def pretrain(
    work: WorkOption,
    run: RunOption = "main",
    minutes: MinutesOption = None,
    steps: StepsOption = None,
    settings_file: SettingsOption = DEFAULT_SETTINGS,
) -> None:
    """Train the stable phase; goes on from its checkpoint; ends with one on SIGTERM, Ctrl-C or after --minutes."""
    _phase("stable", work, run, minutes, steps, read_settings(settings_file))


@app.command()
def decay(
    work: WorkOption,
    run: RunOption = "main",
    minutes: MinutesOption = None,
    steps: StepsOption = None,
    settings_file: SettingsOption = DEFAULT_SETTINGS,
) -> None:
    """Let the learning rates fall to zero over --steps, from the stable checkpoint (which is kept)."""
    _phase("decay", work, run, minutes, steps, read_settings(settings_file))


def _phase(phase: Any, work: Path, run: str, minutes: float | None, steps: int | None, settings: Settings) -> None:
    from studio.pretraining.checkpoint import StopSignal
    from studio.pretraining.pretrain import Job, train_phase
    from studio.runs.events import EventWriter

    folder = work / "runs" / run
    stop = StopSignal()
    emit = EventWriter(folder / "events.jsonl")
    try:
        progress = train_phase(
            phase, Job(settings, work / "tokens", folder, emit, minutes, steps, should_stop=stop.__bool__)
        )
    finally:
        emit.close()
    typer.echo(f"{phase}: step {progress.phase_step}, {progress.tokens / 1e6:.2f} M tokens, {progress.seconds:.0f} s")


@app.command()
def adopt(
    work: WorkOption,
    base: Annotated[Path, typer.Option("--base", help="A model folder of the shape in the settings.")],
    run: RunOption = "main",
    settings_file: SettingsOption = DEFAULT_SETTINGS,
) -> None:
    """Begin from a released model instead of from nothing: its weights and its tokenizer become this work folder's."""
    from studio.pretraining.export import adopt as adopt_model

    adopt_model(read_settings(settings_file), base, work, work / "runs" / run)


@app.command()
def instruct(
    work: WorkOption,
    run: RunOption = "main",
    start: Annotated[str, typer.Option("--from", help="Checkpoint to begin with: decay or stable.")] = "decay",
    steps: StepsOption = None,
    settings_file: SettingsOption = DEFAULT_SETTINGS,
) -> None:
    """Teach it to answer: dialogues with loss on the answers only, and some plain text against forgetting."""
    from studio.pretraining.checkpoint import StopSignal
    from studio.pretraining.instruct import InstructJob
    from studio.pretraining.instruct import instruct as run_stage
    from studio.runs.events import EventWriter

    stop = StopSignal()
    folder = work / "runs" / run
    emit = EventWriter(folder / "events.jsonl")
    try:
        job = InstructJob(read_settings(settings_file), work, folder, emit, start, steps, should_stop=stop.__bool__)
        progress = run_stage(job)
    finally:
        emit.close()
    typer.echo(f"instruct: step {progress.phase_step}, {progress.tokens / 1e6:.2f} M tokens in all")


@app.command()
def export(
    work: WorkOption,
    folder: Annotated[Path, typer.Option("--to", help="Folder to write the model to.")],
    run: RunOption = "main",
    checkpoint: Annotated[str, typer.Option("--checkpoint", help="instruct, decay or stable.")] = "instruct",
    settings_file: SettingsOption = DEFAULT_SETTINGS,
) -> None:
    """Write a model folder (bfloat16, tokenizer, template, sampling settings) and check that it loads."""
    from studio.pretraining.export import export as write_model
    from studio.pretraining.pretrain import checkpoint_path

    path = checkpoint_path(work / "runs" / run, checkpoint)
    facts = write_model(read_settings(settings_file), path, work / "tokenizer", folder)
    typer.echo(f"{folder}: {facts['parameters']:,} parameters after {facts['tokens']:,} tokens")


@app.command()
def evaluate(
    work: WorkOption,
    base: Annotated[Path, typer.Option("--base", help="The model folder to judge.")],
    other: Annotated[Path, typer.Option("--other", help="The model folder to compare it with.")],
    to: Annotated[Path | None, typer.Option("--to", help="Where to write evaluation.json and answers.md.")] = None,
    characters: Annotated[int, typer.Option("--characters", help="Held-out characters a source.")] = 40_000,
    settings_file: SettingsOption = DEFAULT_SETTINGS,
) -> None:
    """Held-out loss and bits a byte for each source, and answers to fifty prompts, side by side."""
    from studio.pretraining.evaluate import evaluate as judge
    from studio.pretraining.evaluate import write_evaluation

    result = judge(base, other, work / "text", read_settings(settings_file).used_sources(), characters)
    write_evaluation(result, to or base)
    losses: Any = result["losses"]
    for name, mine in losses["base"].items():
        theirs = losses["other"][name]
        typer.echo(
            f"{name:16} nats a token {mine['nats_per_token']:.3f} (other {theirs['nats_per_token']:.3f})   "
            f"bits a byte {mine['bits_per_byte']:.3f} (other {theirs['bits_per_byte']:.3f})"
        )


@app.command()
def tune(
    work: WorkOption,
    base: Annotated[Path, typer.Option("--base", help="The model folder to tune.")],
    preset: Annotated[str, typer.Option("--preset", help="quick, balanced or thorough.")] = "balanced",
) -> None:
    """Tune the base on the sample conversations as a newcomer would; note what it gained and 20 answers before and after."""
    from studio.core.workspace import Workspace
    from studio.pretraining.trial import trial_sentence, write_trial
    from studio.pretraining.trial import tune as tune_base

    result = tune_base(base.resolve(), Workspace.open(work / "workspace"), preset)
    write_trial(result, base)
    typer.echo(trial_sentence(result))


@app.command()
def card(
    work: WorkOption,
    base: Annotated[Path, typer.Option("--base", help="An exported and evaluated model folder.")],
    run: RunOption = "main",
    settings_file: SettingsOption = DEFAULT_SETTINGS,
) -> None:
    """Write the model card (README.md) from what the steps before it noted down."""
    from studio.pretraining.card import write_card

    write_card(read_settings(settings_file), work, work / "runs" / run, base)
    typer.echo(str(base / "README.md"))


@app.command()
def probe(
    work: WorkOption,
    path: Annotated[Path, typer.Option("--to", help="The JSON-lines file to write.")],
    settings_file: SettingsOption = DEFAULT_SETTINGS,
) -> None:
    """Choose the short held-out passages for the forgetting check."""
    from studio.pretraining.probe import build_probe

    typer.echo(build_probe(read_settings(settings_file), work / "text", path))


def main() -> None:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        app()
    except StudioError as error:
        typer.echo(f"Error: {error}", err=True)
        raise SystemExit(2) from None
