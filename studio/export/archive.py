"""Zip files larger than memory: streamed file by file, whole or not there at all. Imports no torch."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from studio.core import hardware
from studio.core.errors import ExportError

Entry = tuple[str, Path]
"""(name inside the zip, file)."""
_CHUNK = 4 * 2**20
_ALREADY_DENSE = {".safetensors", ".model"}


def need_disk(folder: Path, size: int) -> None:
    """
    Raises:
        ExportError: fewer than ``size`` bytes are free where ``folder`` is.
    """
    free = hardware.free_disk_gib(folder)
    if free * hardware.GIB < size:
        raise ExportError(
            "There is not enough room on the disk",
            f"This export needs {_gigabytes(size)} for a while, and {_gigabytes(int(free * hardware.GIB))} are free.",
            "Free some space, or move the workspace to a larger disk.",
            code="disk_full",
        )


def write_zip(path: Path, entries: Sequence[Entry], progress: Callable[[float], None] = lambda _: None) -> None:
    """Write ``path``, a chunk at a time. Weights are stored as they are, text is compressed.

    Raises:
        ExportError: the disk is full, or a file went away meanwhile. ``path`` is then not there.
    """
    total = sum(file.stat().st_size for _, file in entries) or 1
    done = 0
    try:
        with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
            for name, file in entries:
                info = zipfile.ZipInfo.from_file(file, name, strict_timestamps=False)
                dense = file.suffix in _ALREADY_DENSE
                info.compress_type = zipfile.ZIP_STORED if dense else zipfile.ZIP_DEFLATED
                with file.open("rb") as reader, archive.open(info, "w", force_zip64=info.file_size > 2**30) as writer:
                    while chunk := reader.read(_CHUNK):
                        writer.write(chunk)
                        done += len(chunk)
                        progress(done / total)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise written_badly(error) from error


def extract(path: Path, folder: Path) -> None:
    """Unpack our own zip; every file's checksum is verified on the way.

    Raises:
        ExportError: the zip is damaged or the disk is full.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                target = folder / info.filename
                if folder.resolve() not in target.resolve().parents:
                    raise zipfile.BadZipFile("a name leads outside")
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as reader, target.open("wb") as writer:
                    shutil.copyfileobj(reader, writer, _CHUNK)
    except zipfile.BadZipFile:
        raise ExportError(
            "The export is damaged", "It could not be unpacked again after it was written.", "Export once more."
        ) from None
    except OSError as error:
        raise written_badly(error) from error


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def written_badly(error: OSError) -> ExportError:
    """An operating system's refusal in words."""
    return ExportError(
        "The export could not be written",
        f"The disk answered: {error.strerror or type(error).__name__}.",
        "Free some space, check that the workspace may be written to, then export once more.",
        code="disk_full" if error.errno == 28 else "",
    )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{max(1, round(size / 1e6))} MB"
