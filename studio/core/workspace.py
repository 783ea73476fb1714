"""The folders on disk. The workspace is outside the checkout and holds everything the person makes."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from studio.core.errors import RunError, StudioError

_RUN_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def default_workspace() -> Path:
    """``$TAILOR_WORKSPACE``, or the user's data directory."""
    chosen = os.environ.get("TAILOR_WORKSPACE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_data_path("tailor-studio", appauthor=False)


@dataclass(frozen=True)
class Workspace:
    """One folder: ``runs/``, ``cache/`` (measurements, may be deleted) and ``models/`` (downloaded bases)."""

    root: Path

    @classmethod
    def open(cls, root: Path | str | None = None) -> Workspace:
        """
        Raises:
            StudioError: the folder cannot be made or written.
        """
        workspace = cls(_folder(root))
        try:
            for folder in (workspace.runs_dir, workspace.cache_dir, workspace.models_dir):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StudioError(
                "The workspace cannot be used",
                f"{workspace.root} cannot be written ({error.strerror or error}).",
                "Choose another folder with --workspace.",
            ) from None
        return workspace

    @classmethod
    def look(cls, root: Path | str | None = None) -> Workspace:
        """For those who only read: nothing is made. The default workspace may not be there yet.

        Raises:
            StudioError: ``root`` was given and is no folder.
        """
        workspace = cls(_folder(root))
        if root and not workspace.root.is_dir():
            raise StudioError(
                "There is no such workspace",
                f"{workspace.root} is not a folder.",
                "Choose another one with --workspace.",
            )
        return workspace

    @classmethod
    def around(cls, run_dir: Path) -> Workspace:
        """The workspace a run's folder lies in; the default one for a folder that was carried elsewhere.

        Raises:
            StudioError: the default one cannot be made or written.
        """
        parent = run_dir.resolve().parent
        return cls.open(parent.parent if parent.name == "runs" else None)

    @property
    def runs_dir(self) -> Path:
        return self.root / "runs"

    @property
    def cache_dir(self) -> Path:
        return self.root / "cache"

    @property
    def models_dir(self) -> Path:
        return self.root / "models"

    def run_dir(self, run_id: str) -> Path:
        """The folder of a run, whether or not it exists.

        Raises:
            RunError: ``run_id`` is not a run's name (it would lead elsewhere on the disk).
        """
        if not _RUN_ID.fullmatch(run_id):
            raise RunError(
                "There is no such run",
                f"“{run_id[:80]}” is not the name of a run.",
                "Choose one from the list of runs.",
            )
        return self.runs_dir / run_id

    def new_run_dir(self, name: str) -> Path:
        """Make and return a fresh folder ``<name>-<n>``; safe against two at once."""
        stem = slug(name) or "run"
        number = 1
        while True:
            path = self.runs_dir / f"{stem}-{number}"
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                number += 1
                continue
            return path


def _folder(root: Path | str | None) -> Path:
    return Path(root).expanduser().resolve() if root else default_workspace().resolve()


def slug(text: str) -> str:
    """Lower-case letters, digits and hyphens, at most 48: ``"Café data (v2).csv"`` → ``"cafe-data-v2"``."""
    plain = unicodedata.normalize("NFKD", Path(text).stem if "." in text else text)
    plain = plain.encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48].strip("-")
