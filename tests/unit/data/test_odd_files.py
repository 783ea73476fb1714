"""Whatever is in a file, the outcome is a Table or a DataError that says what to do; never another exception."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from studio.core.errors import DataError
from studio.data.load import load_files
from studio.data.types import Table

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\rIHDR" + bytes(range(256)) * 4


def _zip(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _xlsx(*sheets: list[list[object]]) -> bytes:
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.active)
    for number, rows in enumerate(sheets):
        sheet = workbook.create_sheet(f"Sheet {number + 1}")
        for row in rows:
            sheet.append(row)
    buffer = io.BytesIO()
    workbook.save(buffer)
    return buffer.getvalue()


def _parquet(**columns: list[object]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def _liar_zip() -> bytes:
    """A member that says it is 10 bytes large and unpacks to 300 MB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = b"\x20" * (1 << 20)
    packed = b"".join(packer.compress(block) for _ in range(300)) + packer.flush()
    name = b"rows.csv"
    local = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0, 0, len(packed), 10, len(name), 0) + name + packed
    central = struct.pack(
        "<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, 0, len(packed), 10, len(name), 0, 0, 0, 0, 0, 0
    ) + name  # fmt: skip
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


REFUSED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "empty": ("a.csv", lambda: b""),
    "only a byte-order mark": ("a.csv", lambda: b"\xef\xbb\xbf"),
    "only blanks": ("a.csv", lambda: b" \n\n \t \n"),
    "only NULs": ("a.csv", lambda: b"\x00" * 5000),
    "only a header": ("a.csv", lambda: b"question,answer\n"),
    "PNG called csv": ("a.csv", lambda: PNG),
    "JPEG called json": ("a.json", lambda: b"\xff\xd8\xff\xe0" + bytes(range(256)) * 9),
    "PDF called txt": ("a.txt", lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"),
    "program called csv": ("a.csv", lambda: b"\x7fELF\x02\x01\x01" + b"\x00" * 100),
    "Windows program called csv": ("a.csv", lambda: b"MZ\x90\x00\x03\x00" + bytes(300)),
    "random bytes": ("a.csv", lambda: bytes((i * 7919 + i // 7) % 256 for i in range(9000))),
    "pickle called json": ("a.json", lambda: pickle.dumps([{"question": "a", "answer": "b"}])),
    "old pickle called csv": ("a.csv", lambda: b"cos\nsystem\n(S'echo unsafe'\ntR."),
    "web page called csv": ("a.csv", lambda: b"<!DOCTYPE html><html><body>Log in</body></html>"),
    "safetensors called csv": ("a.csv", lambda: struct.pack("<Q", 60) + b'{"w":{"dtype":"F32"}}' + bytes(400)),
    "JSON scalar": ("a.json", lambda: b"42"),
    "JSON text": ("a.json", lambda: b'"hello"'),
    "JSON empty list": ("a.json", lambda: b"[]"),
    "JSON empty object": ("a.json", lambda: b"{}"),
    "JSON list of numbers": ("a.json", lambda: b"[1, 2, 3]"),
    "JSON objects without keys": ("a.json", lambda: b"[{}, {}]"),
    "JSON nesting bomb": ("a.json", lambda: b"[" * 100_000 + b"]" * 100_000),
    "JSON deep object": ("a.json", lambda: b'[{"a":' + b'{"a":' * 60 + b"1" + b"}" * 60 + b"}]"),
    "JSON broken off": ("a.json", lambda: b'[{"question": "a", "answer": "b"}, {"question": "c", "ans'),
    "JSON with a typing error": ("a.json", lambda: b'[{"question": "a" "answer": "b"}]'),
    "JSON number of 10,000 digits": ("a.json", lambda: b'[{"a": ' + b"9" * 10_000 + b"}]"),
    "JSONL mostly bad": ("a.jsonl", lambda: b'{"a": 1}\n' + b"{oops\n" * 20),
    "zip bomb": ("a.zip", lambda: _zip({"rows.csv": b"a,b\n" + b"0" * (250 * 1024 * 1024)})),
    "zip that lies about its size": ("a.zip", _liar_zip),
    "zip without rows": ("a.zip", lambda: _zip({"photo.png": PNG})),
    "zip in a zip": ("a.zip", lambda: _zip({"inner.csv": _zip({"rows.csv": b"a,b\n1,2\n"})})),
    "zip broken": ("a.zip", lambda: _zip({"rows.csv": b"a,b\n1,2\n"})[:-20]),
    "zip with a broken member": ("a.zip", lambda: _zip({"rows.csv": b"question,answer\n" * 99}).replace(b"\x03", b"\x05")),
    "zip of many files": ("a.zip", lambda: _zip({f"{i}.csv": b"a,b\n1,2\n" for i in range(500)})),
    "Word document called csv": ("a.csv", lambda: _zip({"word/document.xml": b"<w/>", "[Content_Types].xml": b"<t/>"})),
    "xlsx broken": ("a.xlsx", lambda: _zip({"xl/workbook.xml": b"<not xml"})),
    "xlsx cut off": ("a.xlsx", lambda: _xlsx([["q", "a"], ["x", "y"]])[:900]),
    "xlsx empty": ("a.xlsx", lambda: _xlsx([], [])),
    "xlsx with a password": ("a.xlsx", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)),
    "xlsx bomb": ("a.xlsx", lambda: _zip({"xl/workbook.xml": b"<w/>", "xl/worksheets/sheet1.xml": b" " * (30 << 20)})),
    "parquet broken": ("a.parquet", lambda: b"PAR1" + b"\x07" * 300 + b"PAR1"),
    "parquet cut off": ("a.parquet", lambda: _parquet(question=["a"], answer=["b"])[:80]),
    "parquet without rows": ("a.parquet", lambda: _parquet(question=pa.array([], pa.string()))),
    "gzip broken": ("a.csv.gz", lambda: gzip.compress(b"a,b\n" * 500)[:-12]),
    "gzip in gzip": ("a.csv.gz", lambda: gzip.compress(gzip.compress(b"a,b\n1,2\n"))),
    "too many columns": ("a.csv", lambda: ",".join(f"c{i}" for i in range(6_000)).encode() + b"\n" + b"1," * 5_999 + b"1\n"),
    "a line of 70 million characters": ("a.csv", lambda: b"question,answer\n" + b"x" * 70_000_000),
}  # fmt: skip

READ: dict[str, tuple[str, Callable[[], bytes]]] = {
    "one column": ("a.csv", lambda: b"text\nHello there, you\nGood, day\n"),
    "ragged": ("a.csv", lambda: b"question,answer\na,b\nc\nd,e,f,g\n"),
    "10 MB line": ("a.csv", lambda: b"question,answer\nlong," + b"word " * 2_000_000 + b"\nshort,yes\n"),
    "NUL bytes inside": ("a.csv", lambda: b"question,answer\nwh\x00y,be\x00cause\nhow,so\n"),
    "UTF-16 LE with mark": ("a.csv", lambda: "question,answer\nGrüße?,Ja\n".encode("utf-16")),
    "UTF-16 LE without mark": ("a.csv", lambda: "question,answer\nGrüße?,Ja\n".encode("utf-16-le")),
    "UTF-16 BE without mark": ("a.csv", lambda: "question,answer\nGrüße?,Ja\n".encode("utf-16-be")),
    "UTF-8 with mark": ("a.csv", lambda: "question,answer\nGrüße?,Ja\n".encode("utf-8-sig")),
    "UTF-32": ("a.csv", lambda: "question,answer\nGrüße?,Ja\n".encode("utf-32")),
    "cp1252": ("a.csv", lambda: "question,answer\nWhat’s a café?,A place – nice\n".encode("cp1252")),
    "duplicate headers": ("a.csv", lambda: b"text,text,text\na,b,c\nd,e,f\n"),
    "blank headers": ("a.csv", lambda: b"question,,answer\na,b,c\nd,e,f\n"),
    "formulas": ("a.csv", lambda: b"question,answer\n=cmd|'/c calc'!A1,@SUM(1)\n+1+1,-2\n"),
    "semicolons and decimal commas": ("a.csv", lambda: b"item;price\nlamp;3,50\nshade;12,00\n"),
    "line ends of an old Mac": ("a.csv", lambda: b"question,answer\ra,b\rc,d\r"),
    "quotation mark never closed": ("a.csv", lambda: b'question,answer\n"a,b\n' + b"c,d\n" * 5_000),
    "emoji and right-to-left text": ("a.csv", lambda: "question,answer\n👩‍👩‍👧 مرحبا,שלום\n".encode()),
    "no line end at the end": ("a.csv", lambda: b"question,answer\na,b"),
    "JSON called csv": ("a.csv", lambda: b'[{"question": "a", "answer": "b"}]'),
    "CSV called json": ("a.json", lambda: b"question,answer\na,b\nc,d\n"),
    "CSV called xlsx": ("a.xlsx", lambda: b"question,answer\na,b\n"),
    "XLSX called csv": ("a.csv", lambda: _xlsx([["question", "answer"], ["a", "b"]])),
    "Parquet called csv": ("a.csv", lambda: _parquet(question=["a"], answer=["b"])),
    "nested JSON": ("a.json", lambda: b'[{"q": {"de": "a", "en": ["b", {"c": 1}]}, "a": 1}, {"q": [], "a": "x"}]'),
    "JSON with half an emoji": ("a.json", lambda: b'[{"question": "\\ud83d", "answer": "b"}]'),
    "JSON with NaN": ("a.json", lambda: b'[{"question": "a", "n": NaN}, {"question": "b", "n": 1}]'),
    "JSON with huge numbers": ("a.json", lambda: b'[{"a": 123456789012345678901234567890, "b": "x"}]'),
    "JSONL with bad lines": ("a.jsonl", lambda: b'{"q": "a", "r": "b"}\n{broken\n{"q": "c", "r": "d"}\n{"q": "e"}\n'),
    "JSONL with changing types": ("a.jsonl", lambda: b'{"a": 1}\n{"a": "x"}\n{"a": [1]}\n{"a": null}\n'),
    "xlsx of several sheets": ("a.xlsx", lambda: _xlsx([], [["q", "a"], ["x", "y"]], [["other"], ["z"]])),
    "xlsx with odd cells": ("a.xlsx", lambda: _xlsx([["q", None, "a"], [1.0, True, "=1+1"], [None, None, "z"]])),
    "gzip": ("a.csv.gz", lambda: gzip.compress(b"question,answer\na,b\n")),
    "zip of two files": ("a.zip", lambda: _zip({"train.csv": b"q,a\n1,2\n", "test.csv": b"q,a\n3,4\n"})),
    "zip with a path that climbs": ("a.zip", lambda: _zip({"../../evil.csv": b"question,answer\na,b\n"})),
    "Parquet with odd types": ("a.parquet", lambda: _parquet(b=[b"\xff\xfe", None], t=[1.5, None], q=["a", "b"])),
}  # fmt: skip


def _outcome(tmp_path: Path, name: str, content: bytes) -> Table | DataError:
    path = tmp_path / name
    path.write_bytes(content)
    try:
        return load_files([path])
    except DataError as error:
        return error


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_in_words(tmp_path: Path, case: str) -> None:
    name, content = REFUSED[case]
    outcome = _outcome(tmp_path, name, content())
    assert isinstance(outcome, DataError), outcome
    assert outcome.title
    assert outcome.what_happened
    assert outcome.what_to_do.endswith(".")
    assert "Traceback" not in str(outcome)


@pytest.mark.parametrize("case", READ)
def test_is_read(tmp_path: Path, case: str) -> None:
    name, content = READ[case]
    outcome = _outcome(tmp_path, name, content())
    assert isinstance(outcome, Table), outcome
    assert len(outcome) > 0
    json.dumps(outcome.page(0, 5), default=str)
    assert outcome.fingerprint()


def test_names_what_a_binary_file_is(tmp_path: Path) -> None:
    assert "PNG" in str(_outcome(tmp_path, "rows.csv", PNG))
    assert "pickle" in str(_outcome(tmp_path, "rows.json", pickle.dumps([1])))
    assert "password" in str(_outcome(tmp_path, "rows.xlsx", REFUSED["xlsx with a password"][1]()))


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (marker,))

    for name in ("a.csv", "a.json", "a.parquet", "a.xlsx", "a.pkl"):
        assert isinstance(_outcome(tmp_path, name, pickle.dumps(Evil())), DataError)
    assert not marker.exists()


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not there"):
        load_files([tmp_path / "none.csv"])
    with pytest.raises(DataError, match="folder"):
        load_files([tmp_path])
    with pytest.raises(DataError, match="No file"):
        load_files([])


def test_cut_anywhere_a_file_still_ends_in_words(tmp_path: Path) -> None:
    whole = {
        "a.json": b'[{"question": "a", "answer": "\\u00fc"}, {"question": "c", "answer": [1, 2]}]',
        "a.csv": 'question,answer\n"a, b","c\nd"\nGrüße,"x ""y"""\n'.encode(),
        "a.xlsx": _xlsx([["q", "a"], ["x", "y"]]),
        "a.parquet": _parquet(q=["a"], a=["b"]),
        "a.gz": gzip.compress(b"question,answer\na,b\n"),
    }
    for name, content in whole.items():
        for end in range(0, len(content), max(1, len(content) // 60)):
            _outcome(tmp_path, name, content[:end])


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("lowest", [0, 1])
def test_a_few_binary_bytes_are_no_table(seed: int, lowest: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    path = tmp_path / "rows.csv"
    path.write_bytes(bytes(chance.randrange(lowest, 256) for _ in range(200)))
    with pytest.raises(DataError):
        load_files([path])


def test_a_stray_cell_in_the_last_corner_of_a_sheet_costs_nothing(tmp_path: Path) -> None:
    """A million empty rows of sixteen thousand cells lie above it."""
    workbook = openpyxl.Workbook()
    workbook.active.append(["question", "answer"])
    workbook.active.append(["How?", "So."])
    workbook.active["XFD1048576"] = "stray"
    workbook.save(tmp_path / "a.xlsx")
    table = load_files([tmp_path / "a.xlsx"])
    assert (table.columns, len(table)) == (["question", "answer"], 1)
