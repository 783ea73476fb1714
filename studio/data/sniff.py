"""What a file really is, by its content: the kind of file, the text encoding, the delimiter. Names are not believed.

Nothing here runs or unpickles anything; a file of a kind that cannot be read is named in the message.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from studio.core.errors import DataError
from studio.data.text import plural

Kind = Literal["text", "parquet", "zip", "gzip"]
SAMPLE_BYTES = 256 * 1024
MAX_FIELD = 64 * 1024 * 1024
_SAVE_AS = "Save the rows as CSV, JSONL, XLSX or Parquet and choose that file."

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "a program"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\x00", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"ARROW1", "an Arrow file"),
    (b"GGUF", "model weights (GGUF)"),
    (b"{\\rtf", "a rich-text document"),
    (b"ID3", "a sound file"),
    (b"OggS", "a sound file"),
    (b"fLaC", "a sound file"),
    (b"\x00\x00\x00\x18ftyp", "a video"),
    (b"\x00\x00\x00\x20ftyp", "a video"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"II*\x00", "a TIFF picture"),
    (b"MM\x00*", "a TIFF picture"),
    (b"Obj\x01", "an Avro file"),
    (b"ORC", "an ORC file"),
)
_PICKLE = re.compile(rb"\x80[\x02-\x05]|\((?:l|d)p0\n|c[\w.]{2,40}\n[\w.]{2,40}\n")
_WEB_PAGE = re.compile(rb"\s*(?:<!doctype html|<html)", re.IGNORECASE)
_BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CODE_PAGES = [
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r", "mac_roman", "cp932", "gb18030", "big5",
    "euc_kr", "euc_jp",
]  # fmt: skip


def kind_of(path: Path, name: str) -> Kind:
    """
    Raises:
        DataError: the file is empty, or of a kind that holds no rows (a picture, a program, a pickle…).
    """
    with path.open("rb") as file:
        head = file.read(4096)
    if not head.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise DataError("This file is empty", f"“{name}” holds nothing to read.", "Choose a file with data in it.")
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        raise DataError(
            "This spreadsheet is protected or in an old format",
            f"“{name}” is a password-protected or an old (.xls) Office file.",
            "Open it in your spreadsheet program and save it as .xlsx without a password, or as CSV.",
        )
    what = _what(head)
    if what:
        raise DataError("This file holds no rows", f"“{name}” looks like {what}, whatever its name says.", _SAVE_AS)
    return "text"


def _what(head: bytes) -> str:
    for magic, what in _MAGIC:
        if head.startswith(magic):
            return what
    if head[:4] == b"RIFF":
        return "a sound, picture or video file"
    if head[:2] == b"MZ" and b"\x00" in head:
        return "a Windows program"
    if head[257:262] == b"ustar":
        return "a tar archive"
    if _PICKLE.match(head):
        return "a Python pickle, which could run code and is never opened"
    if head[8:10] == b'{"' and head[2:8] == b"\x00" * 6:
        return "model weights (safetensors)"
    if _WEB_PAGE.match(head):
        return "a web page (perhaps a log-in page was saved instead of the file)"
    return ""


@dataclass(frozen=True)
class Encoding:
    """How to decode a file: ``errors`` names a handler for the few bytes that do not fit; ``note`` tells the person."""

    name: str
    errors: str = "strict"
    note: str = ""


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", errors="replace"), error.end


codecs.register_error("studio_cp1252", _as_cp1252)


def encoding_of(path: Path, name: str) -> Encoding:
    """The encoding of a text file: by its byte-order mark, else UTF-8 when the whole file is valid, else the likeliest.

    Raises:
        DataError: the content is not text in any encoding.
    """
    with path.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
    for bom, encoding in _BOMS:
        if head.startswith(bom) and not (encoding == "utf-16" and len(head) % 2 and len(head) < SAMPLE_BYTES):
            return Encoding(encoding, "replace")
    wide = _wide(head)
    if wide:
        return Encoding(wide, "replace")
    control = sum(head.count(bytes([b])) for b in range(32) if b not in (9, 10, 12, 13, 27))
    not_text = DataError("This file is not text", f"“{name}” holds binary data, whatever its name says.", _SAVE_AS)
    if control > max(8, len(head) // 20):
        raise not_text
    good, bad, sample = _utf8_check(path)
    if not bad:
        return Encoding("utf-8")
    if good <= bad and control > max(1, len(head) // 50):
        raise not_text  # a short one, in which a few control characters are telling
    if good > bad:
        return Encoding(
            "utf-8",
            "studio_cp1252",
            f"{plural(bad, 'character was', 'characters were')} not valid UTF-8 and read as Windows text (cp1252).",
        )
    guess = _code_page(sample)
    return Encoding(guess, "replace", f"The text is not UTF-8; it was read as {guess}.")


def _wide(head: bytes) -> str:
    """UTF-16 without a mark shows as NULs in every other byte."""
    sample = head[: len(head) // 2 * 2][:4096]
    if len(sample) < 4:
        return ""
    half = len(sample) // 2
    even, odd = sample[0::2].count(0) / half, sample[1::2].count(0) / half
    if odd > 0.4 and even < 0.1:
        return "utf-16-le"
    if even > 0.4 and odd < 0.1:
        return "utf-16-be"
    return ""


def _utf8_check(path: Path) -> tuple[int, int, bytes]:
    """(bytes of valid multi-byte characters, invalid places, whole lines around the first of them).

    Reads the file once, in pieces.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    good = bad = 0
    sample = b""
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            text = decoder.decode(chunk)
            wrong = text.count("\ufffd") - chunk.count(b"\xef\xbf\xbd")
            good += max(0, len(chunk) - len(text))
            if wrong > 0 and not bad:
                sample = chunk[max(0, chunk.rfind(b"\n", 0, _first_bad(chunk)) + 1) :][: 32 * 1024]
            bad += max(0, wrong)
        bad += decoder.decode(b"", final=True).count("\ufffd")
    return good, bad, sample or b"\xff"


def _first_bad(chunk: bytes) -> int:
    try:
        chunk.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _code_page(sample: bytes) -> str:
    """The likeliest one-language encoding, with Western European preferred when it reads about as well as the best."""
    from charset_normalizer import from_bytes

    matches = from_bytes(sample, cp_isolation=_CODE_PAGES, enable_fallback=False)
    best = matches.best()
    if best is None:
        return "cp1252"
    for match in matches:
        western = match.encoding == "cp1252" or "cp1252" in match.could_be_from_charset
        if western and match.chaos <= best.chaos + 0.02 and match.coherence >= best.coherence - 0.1:
            return "cp1252"
    return best.encoding


def delimiter_of(lines: list[str], prefer: str = "") -> str:
    """The delimiter that cuts most lines into the same number (> 1) of cells; "" when the text is one column.

    Args:
        lines: The first lines of the file, line ends included.
        prefer: A delimiter that wins a tie (a tab for ``.tsv``).
    """
    best, best_score = "", 0.0
    for delimiter in (",", ";", "\t", "|"):
        widths = [len(row) for row in _rows(lines, delimiter) if any(c.strip() for c in row)]
        if not widths:
            continue
        width, count = Counter(widths).most_common(1)[0]
        if widths[0] > 1 and widths[0] != width and widths.count(widths[0]) >= count * 0.5:
            width, count = widths[0], widths.count(widths[0])
        if width < 2 and widths[0] < 2:
            continue
        agreement = count / len(widths)
        if widths[0] != width:
            # A header of another width than its rows: ragged rows at best, a wrong delimiter at worst.
            agreement *= 0.4 if widths[0] > 1 else 0.15
        score = agreement + (0.05 if delimiter == prefer else 0) + min(width, 10) * 0.001
        if score > best_score:
            best, best_score = delimiter, score
    return best if best_score >= 0.3 else ""


def _rows(lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        return list(csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        return [line.split(delimiter) for line in lines]
