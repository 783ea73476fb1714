"""What a bundle holds beside the models: the run's own papers, as files anybody can open. Imports no torch."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from studio.export.archive import Entry
from studio.export.source import Source

_COLUMNS = (
    "step", "epoch", "loss", "validation_loss", "learning_rate", "gradient_norm", "tokens_per_second", "memory_gib", "tokens",
)  # fmt: skip
PAPERS = {
    "report.json": "the report card, every number with its interval",
    "predictions.jsonl": "each held-back row and what base and tuned made of it (this is your data)",
    "events.jsonl": "the run's log, one event a line (holds sample answers)",
}


def run_papers(source: Source, work: Path) -> tuple[list[Entry], list[tuple[str, str]]]:
    """Files for the zip and what each is; those the run never wrote are left out."""
    entries: list[Entry] = []
    contents: list[tuple[str, str]] = []
    for name, words in PAPERS.items():
        if (source.run_dir / name).is_file():
            entries.append((name, source.run_dir / name))
            contents.append((name, words))
    curve = work / "loss_curve.csv"
    _write_curve(source, curve)
    splits = work / "splits.json"
    facts = {"fingerprint": source.recipe.data.fingerprint, "splits": source.splits}
    splits.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    entries += [(curve.name, curve), (splits.name, splits)]
    contents += [
        (curve.name, "the curves as a table"),
        (splits.name, "fingerprints of the rows learned from, watched and tested on"),
    ]
    return entries, contents


def _write_curve(source: Source, path: Path) -> None:
    """One line a step that was logged; a step logged twice (after a resume) keeps both, in the order they came."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _COLUMNS, extrasaction="ignore", restval="")
        writer.writeheader()
        for event in source.events():
            if event.get("kind") == "metric":
                writer.writerow({k: v for k, v in event.items() if v is not None})
