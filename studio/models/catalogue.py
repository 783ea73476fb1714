"""The bases the studio offers (assets/catalogue.yaml), any local folder and any Hub id: one way to find them all."""

from __future__ import annotations

import difflib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from studio.core.assets import assets_dir
from studio.core.errors import ModelError
from studio.core.hardware import Hardware
from studio.core.options import problems_of
from studio.core.workspace import Workspace
from studio.models import cautions, fetch, suggest
from studio.models.folder import inspect_folder
from studio.models.types import BaseCard, Verdict

_COMFORTABLE_ON_CPU = {"decoder": 400_000_000, "encoder": 160_000_000}
"""Weights beyond which tuning on a processor takes hours rather than minutes (measured: 135M with LoRA on two cores
learns about 340 tokens a second). Encoders are tuned in full, which costs more."""
_ORDER: dict[Verdict, int] = {"fits": 0, "tight": 1, "won't fit": 2}


class Entry(BaseModel):
    """One base of the catalogue. Either ``folder`` (it comes with the studio) or ``hub_id`` and its shapes."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    title: str = Field(min_length=1)
    family: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    good_for: str = Field(min_length=10)
    folder: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9.-]*$")
    hub_id: str | None = None
    parameters: int = Field(default=0, ge=0)
    hidden_size: int = Field(default=0, ge=0)
    layers: int = Field(default=0, ge=0)
    vocabulary: int = Field(default=0, ge=0)
    context: int = Field(default=0, ge=0)
    gated: bool = False
    architecture: Literal["decoder", "encoder"] = "decoder"
    tasks: tuple[str, ...] = ()
    download_gib: float = Field(default=0.0, ge=0)
    languages: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _complete(self) -> Entry:
        if (self.folder is None) == (self.hub_id is None):
            raise ValueError("Each base needs either folder or hub_id.")
        if self.hub_id is not None:
            if not fetch.is_hub_id(self.hub_id):
                raise ValueError(f"“{self.hub_id}” is not a Hub id (organisation/name).")
            needed = ("parameters", "hidden_size", "layers", "vocabulary", "context", "tasks", "download_gib")
            missing = [name for name in needed if not getattr(self, name)]
            if missing:
                raise ValueError(f"{self.id} lacks {', '.join(missing)}.")
        return self

    def card(self) -> BaseCard:
        """
        Raises:
            ModelError: the folder of an embedded base is missing or damaged.
        """
        if self.folder is not None:
            found = inspect_folder(assets_dir() / "base" / self.folder)
            return replace(
                found, id=self.id, title=self.title, family=self.family, licence=self.licence,
                good_for=self.good_for, embedded=True, download_gib=0.0, languages=self.languages,
            )  # fmt: skip
        return BaseCard(**self.model_dump(exclude={"folder"}))


class Catalogue(BaseModel):
    model_config = ConfigDict(extra="forbid")

    bases: list[Entry] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> Catalogue:
        ids = [entry.id for entry in self.bases]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"These ids appear twice: {', '.join(twice)}.")
        return self


def load_catalogue(path: Path) -> list[BaseCard]:
    """Read and check a catalogue file.

    Raises:
        ModelError: it cannot be read, or entries are wrong; all problems are told.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        return [entry.card() for entry in Catalogue.model_validate(values).bases]
    except ValidationError as error:
        told = " ".join(f"{p.field}: {p.message}" for p in problems_of(error, Catalogue))
        raise ModelError("The catalogue has mistakes", told, f"Correct {path.name}.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelError("The catalogue cannot be read", f"{path}: {reason}.", "Install the studio again.") from None


@lru_cache(maxsize=1)
def _catalogue() -> tuple[BaseCard, ...]:
    return tuple(load_catalogue(assets_dir() / "catalogue.yaml"))


def catalogue() -> list[BaseCard]:
    """Every base the studio offers, in the order of the file (embedded first)."""
    return list(_catalogue())


def embedded() -> BaseCard:
    """The base that comes with the studio."""
    return next(card for card in _catalogue() if card.embedded)


def find(base_id: str, workspace: Workspace) -> BaseCard:
    """The base a recipe names: a catalogue id, a Hub id or a local folder. ``path`` is set where it is on this machine.

    An id of the Hub that is neither in the catalogue nor downloaded is asked for there once (seconds).

    Raises:
        ModelError: there is no such base, or it cannot be used; the text says what to do next.
    """
    wanted = base_id.strip()
    for card in _catalogue():
        if wanted and wanted in (card.id, card.hub_id):
            return _with_path(card, workspace)
    if not wanted:
        raise ModelError("No base is chosen", "The recipe names no base model.", "Choose a base.")
    folder = _folder(wanted)
    if folder is not None:
        return inspect_folder(folder)
    if fetch.is_hub_id(wanted):
        return _with_path(fetch.describe(wanted, workspace), workspace)
    raise _unknown(wanted)


def folder_of(base_id: str, workspace: Workspace) -> Path:
    """Where the base a recipe names lies on this machine. Asks nobody, unlike :func:`find`.

    Raises:
        ModelError: it is not here; the text names the command that brings it.
    """
    wanted = base_id.strip()
    for card in _catalogue():
        if wanted and wanted in (card.id, card.hub_id):
            return fetch.local_folder(card, workspace)
    folder = _folder(wanted) or (fetch.downloaded(wanted, workspace) if fetch.is_hub_id(wanted) else None)
    if folder is None or not (folder / "config.json").is_file():
        raise fetch.not_here(wanted, workspace)
    return folder


def _folder(wanted: str) -> Path | None:
    """The path that ``wanted`` means, if it means one rather than an id."""
    try:
        path = Path(wanted).expanduser()
        meant = wanted.startswith(("/", ".", "~")) or "\\" in wanted or (path / "config.json").is_file()
        path.is_dir()
    except (OSError, ValueError, RuntimeError):
        return None
    return path if meant else None


def suggested(
    task_name: str, hardware: Hardware, workspace: Workspace | None = None, language: str = ""
) -> list[tuple[BaseCard, Verdict, str]]:
    """Bases for a task, the best first, each with whether it fits here and a sentence that says why it stands there.

    First what knows the language of the rows, where that is not English; among these what is on this machine already;
    then what fits and trains in reasonable time, the strongest first (encoders in the order of the catalogue: the largest
    are multilingual, not more accurate); then the rest by size. Where a task takes both, encoders stand before decoders of
    the same rank: they are more accurate per weight. What cannot run here comes last in any case.

    Args:
        language: Of the rows, in English words ("Arabic", "mostly Arabic"); "" when it is not known.
    """
    rows = []
    for place, card in enumerate(_catalogue()):
        if task_name not in card.tasks:
            continue
        card = _with_path(card, workspace) if workspace else card
        verdict = suggest.quick_verdict(card, hardware, task_name)
        here = card.path is not None
        comfortable = verdict == "fits" and (
            hardware.device == "cuda" or card.parameters <= _COMFORTABLE_ON_CPU[card.architecture]
        )  # fmt: skip
        decoder = card.architecture == "decoder"
        size = card.parameters
        if comfortable:
            size = -card.parameters if decoder else place
        knows = cautions.speaks(card, language)
        strange = (verdict == "won't fit", {True: 0, None: 1, False: 2}[knows])
        key = (*strange, _ORDER[verdict], not here, not comfortable, decoder, card.gated and comfortable, size)
        why = _why(card, verdict, comfortable, here, hardware)
        rows.append((key, card, verdict, f"Knows {cautions.needed(language)}. {why}" if knows else why))
    rows.sort(key=lambda row: row[0])
    return [(card, verdict, why) for _, card, verdict, why in rows]


def _why(card: BaseCard, verdict: Verdict, comfortable: bool, here: bool, hardware: Hardware) -> str:
    if verdict == "won't fit":
        return f"Needs more than the {hardware.training_memory_gib:.0f} GB of memory that are free here."
    if verdict == "tight":
        return "May just fit; other programs should be closed."
    if here:
        return "Ready now: it is on this machine." + (
            "" if comfortable else " Slow here: expect hours rather than minutes."
        )
    if not comfortable:
        return "Fits, but is slow on a processor: expect hours rather than minutes."
    wait = " Its makers ask you to sign in and accept their licence." if card.gated else ""
    return f"Fits well on this machine; {card.download_gib:.1f} GB to download.{wait}"


def _with_path(card: BaseCard, workspace: Workspace) -> BaseCard:
    if card.path is not None or not fetch.is_local(card, workspace):
        return card
    return replace(card, path=fetch.local_folder(card, workspace))


def _unknown(wanted: str) -> ModelError:
    ids = [card.id for card in _catalogue()]
    near = difflib.get_close_matches(wanted.lower(), ids, n=1, cutoff=0.5)
    return ModelError(
        "There is no such base",
        f"“{wanted[:80]}” is neither in the catalogue, nor a Hub id (organisation/name), nor a folder on this machine.",
        f"Use “{near[0]}”, or choose one from the list." if near else "Choose one from the list.",
        code="not_found",
    )
