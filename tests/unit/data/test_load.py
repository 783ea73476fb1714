"""Reading: what comes out is what a person sees in the file."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from studio.core.errors import DataError
from studio.data import hub
from studio.data.load import load_files, load_text
from studio.data.read_sheets import _UNANSWERED
from studio.data.types import Table


def read(tmp_path: Path, name: str, content: str | bytes) -> Table:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load_files([path])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found_by_content(tmp_path: Path, delimiter: str) -> None:
    rows = [["question", "answer"], ["Where, when; who?", "Here"], ["How?", "So; and so"], ["Why?", "Because"]]
    text = "\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows)
    table = read(tmp_path, "rows.csv", text)
    assert table.files[0].delimiter == delimiter
    assert table.page(0, 1) == [{"question": "Where, when; who?", "answer": "Here"}]


def test_prose_with_commas_in_one_column_stays_one_column(tmp_path: Path) -> None:
    table = read(tmp_path, "rows.csv", "text\nYes, no, maybe\nHello, you\nPlain\nOne, two, three, four\n")
    assert table.columns == ["text"]
    assert table.page(0, 1) == [{"text": "Yes, no, maybe"}]


def test_quoted_line_breaks_stay_in_their_cell(tmp_path: Path) -> None:
    table = read(tmp_path, "rows.csv", 'question,answer\r\n"line 1\nline 2","say ""hi"""\r\n')
    assert table.page(0, 9) == [{"question": "line 1\nline 2", "answer": 'say "hi"'}]


@pytest.mark.parametrize(
    ("name", "rows", "note"),
    [
        ("end.csv", 'q,a\na,b\n"c,d\ne,f\ng,h\n', "from line 3 on does not close as it should, so 3 lines were read as one row"),
        ("end.tsv", 'q\ta\na\tb\nc\t"d\ne\nf', "from line 3 on does not close as it should, so 3 lines were read as one row"),
        ("next.csv", 'q,a\n"a,b\nc,d\n"e, ""f""",g\nh,i\n', "from line 2 on does not close as it should, so 3 lines were read as one row"),
        ("twice.csv", 'q,a\n"a,b\n"c",d\nx,y\n"e,f\n"g",h\n', "In 2 places, the first at line 2,"),
        ("pasted.csv", 'q;a\nWhy?;So\n"Who?;Me\nHow?;Well\n', "so 2 lines were read as one row"),
    ],
)  # fmt: skip
def test_a_quotation_mark_that_swallows_rows_is_told(tmp_path: Path, name: str, rows: str, note: str) -> None:
    (told,) = [n for n in read(tmp_path, name, rows).notes if "quotation mark" in n]
    assert note in told
    assert told.endswith("in the file and load it again.")


@pytest.mark.parametrize(
    "rows",
    [
        'q,a\n"one\n\ntwo, ""three""\n",b\nc,"d\n"\n',
        'q,a\n"He said" hello,so\n5" wide,"x ""y"""\n',
        'q,a\r\n"a\r\nb",c\r\n',
        'q;a\n"a\n;b"; "c\nd"\n',
    ],
)
def test_quotation_marks_set_well_are_no_matter(tmp_path: Path, rows: str) -> None:
    assert not [n for n in read(tmp_path, "rows.csv", rows).notes if "quotation" in n]


def test_a_quotation_mark_open_for_thousands_of_lines_is_ordinary_text(tmp_path: Path) -> None:
    table = read(tmp_path, "rows.csv", 'q,a\n"a,b\n' + "c,d\n" * 3_000)
    assert len(table) == 3_001
    assert any("read as ordinary text" in note for note in table.notes)


def test_decimal_commas_do_not_become_columns(tmp_path: Path) -> None:
    table = read(tmp_path, "rows.csv", "item;price\nlamp;3,50\nshade;12,00\n")
    assert table.page(0, 1) == [{"item": "lamp", "price": "3,50"}]


def test_ragged_rows_are_kept_and_counted(tmp_path: Path) -> None:
    table = read(tmp_path, "rows.csv", "question,answer\na,b\nc\nd,e,f\ng,h,,\n")
    assert [row["answer"] for row in table.page(0, 9)] == ["b", None, "e,f", "h"]
    notes = " ".join(table.notes)
    assert "1 row had fewer cells" in notes
    assert "1 row had more cells" in notes


def test_headers_are_made_unique_and_named(tmp_path: Path) -> None:
    table = read(tmp_path, "rows.csv", "text,text,,text_2\na,b,c,d\n")
    assert len(set(table.columns)) == 4
    assert table.columns[0] == "text"
    assert table.columns[2] == "column_3"
    assert len(table.notes) == 2


def test_a_sheet_without_header_keeps_its_first_row(tmp_path: Path) -> None:
    rows = "Where is my lamp?,On its way.\nCan I return it?,Yes.\nIs it red?,It is blue.\n"
    table = read(tmp_path, "rows.csv", rows)
    assert len(table) == 3
    assert table.columns == ["column_1", "column_2"]
    labels = read(tmp_path, "labels.csv", "lost my card,card\ncannot log in,account\nnew card please,card\n")
    assert len(labels) == 3


@pytest.mark.parametrize(
    ("first", "rest", "named"),
    [
        (
            "Ticket no.,What the customer asked,Last edited by",
            "T-1,When do you open?,Bo\nT-2,Have you roses?,Ann\n",
            True,
        ),
        ("Ticket no.,Question,Answer", "T-1,When do you open?,At nine.\n", True),
        ("When was it?,Sales in %", "2020,5\n2021,7\n", True),
        ("Hi!,Hello.", "Bye!,See you.\n", False),
        ("2019,4", "2020,5\n2021,7\n", False),
        ("What do people ask?,We open at nine.", "When do you open?,At nine.\nRoses?,Yes.\n", False),
    ],
)
def test_the_first_row_holds_names_when_it_is_unlike_the_rows_below(
    tmp_path: Path, first: str, rest: str, named: bool
) -> None:
    table = read(tmp_path, "rows.csv", f"{first}\n{rest}")
    assert table.columns == (first.split(",") if named else [f"column_{i + 1}" for i in range(first.count(",") + 1)])


def test_numbers_only_where_nothing_is_lost(tmp_path: Path) -> None:
    table = read(tmp_path, "rows.csv", "label,zip,share,price,text\n1,01234,0.5,3.50,=1+1\n2,99999,1.25,4.75,-x\n")
    types = {field.name: str(field.type) for field in table.data.schema}
    assert types == {"label": "int64", "zip": "string", "share": "double", "price": "string", "text": "string"}
    assert table.page(0, 1)[0]["text"] == "=1+1"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "question,answer\nWhat’s a café – and why?,Très bien. “Nice” naïve Señor\nGrüße aus Köln,Schöne Grüße\n"),
        ("cp1251", "вопрос,ответ\nКогда приедет моя новая лампа?,Она приедет завтра утром после девяти часов.\n" * 5),
        ("cp932", "質問,回答\nランプはいつ届きますか？,明日の朝に届きます。ありがとうございます。\n" * 8),
        ("utf-16", "question,answer\nGrüße,Ja\n"),
        ("utf-8-sig", "question,answer\nGrüße,Ja\n"),
    ],
)  # fmt: skip
def test_encodings(tmp_path: Path, encoding: str, text: str) -> None:
    table = read(tmp_path, "rows.csv", text.encode(encoding))
    assert list(table.page(0, 1)[0].values()) == text.splitlines()[1].split(",")


def test_a_few_windows_characters_in_utf8_are_understood(tmp_path: Path) -> None:
    table = read(tmp_path, "rows.csv", "q,a\nGrüße ä ö ü,x\n".encode() + "It’s,y\n".encode("cp1252"))
    assert [row["q"] for row in table.page(0, 9)] == ["Grüße ä ö ü", "It’s"]
    assert "1 character was not valid UTF-8" in table.notes[0]


ROWS = [{"question": "a", "answer": "b"}, {"question": "c", "answer": "d"}]


@pytest.mark.parametrize(
    "document",
    [
        ROWS,
        {"data": ROWS},
        {"version": "1", "rows": ROWS},
        {"question": ["a", "c"], "answer": ["b", "d"]},
        {"question": {"0": "a", "1": "c"}, "answer": {"0": "b", "1": "d"}},
        {"columns": ["question", "answer"], "index": [0, 1], "data": [["a", "b"], ["c", "d"]]},
        {"first": ROWS[0], "second": ROWS[1]},
        [["question", "answer"], ["a", "b"], ["c", "d"]],
    ],
)
def test_json_layouts(tmp_path: Path, document: object) -> None:
    table = read(tmp_path, "rows.json", json.dumps(document, indent=2))
    assert [{k: row[k] for k in ("question", "answer")} for row in table.page(0, 9)] == ROWS


def test_json_with_splits_in_it(tmp_path: Path) -> None:
    table = read(tmp_path, "rows.json", json.dumps({"train": ROWS, "dev": ROWS[:1]}))
    assert [row["split"] for row in table.page(0, 9)] == ["train", "train", "validation"]


def test_json_objects_over_several_lines_one_after_another(tmp_path: Path) -> None:
    text = "\n".join(json.dumps(row, indent=2) for row in ROWS)
    assert read(tmp_path, "rows.json", text).page(0, 9) == ROWS


def test_bad_lines_are_counted(tmp_path: Path) -> None:
    text = "\n".join([json.dumps(ROWS[0]), "{oops", json.dumps(ROWS[1]), "", '"text"', json.dumps(ROWS[1])])
    table = read(tmp_path, "rows.jsonl", text)
    assert len(table) == 3
    assert "2 lines are not valid JSON" in table.notes[0]
    assert "line 2" in table.notes[0]


def test_messages_stay_nested(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    table = read(tmp_path, "rows.jsonl", json.dumps({"messages": messages}))
    assert table.page(0, 1) == [{"messages": messages}]
    listed = read(tmp_path, "rows.json", json.dumps([messages, messages]))
    assert listed.columns == ["messages"]


def test_broken_json_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2, character"):
        read(tmp_path, "rows.json", '[{"a": 1},\n {"a" 2}]')
    with pytest.raises(DataError, match="too early"):
        read(tmp_path, "rows.json", '[{"a": 1},\n {"a": "x')


def test_a_workbook_by_its_values(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    workbook.active.title = "Empty"
    sheet = workbook.create_sheet("Rows")
    sheet.append(["question", "answer", "on", "n"])
    sheet.append(["a", "b\nc", datetime.datetime(2024, 5, 1), 3.0])
    sheet.append([None, None, None, None])
    sheet.append(["d", "e", datetime.datetime(2024, 5, 2, 10, 30), 4])
    workbook.create_sheet("More").append(["x"])
    workbook.save(tmp_path / "rows.xlsx")
    table = load_files([tmp_path / "rows.xlsx"])
    assert table.page(0, 9) == [
        {"question": "a", "answer": "b\nc", "on": "2024-05-01", "n": 3},
        {"question": "d", "answer": "e", "on": "2024-05-02 10:30:00", "n": 4},
    ]
    assert "“More” was left out" in table.notes[0]


def test_formulas_that_were_never_computed_are_told(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    for row in (["question", "answer"], ["a", '="b"&"c"'], ["d", "=A2"], ["e", "f"]):
        workbook.active.append(row)
    workbook.save(tmp_path / "rows.xlsx")
    table = load_files([tmp_path / "rows.xlsx"])
    assert [row["answer"] for row in table.page(0, 9)] == [None, None, "f"]
    assert "2 cells hold a formula without its result and were read as empty" in table.notes[0]


def test_a_formula_whose_result_is_there_needs_no_word(tmp_path: Path) -> None:
    cells = b'<c r="B2"><f>A1+1</f><v>2</v></c><c r="C2" t="str"><f>""</f><v></v></c><c r="D2"/><c r="E2" t="s"><v>0</v></c>'
    assert not [found for found in _UNANSWERED.finditer(cells) if b't="str"' not in found[1]]


def test_parquet_in_plain_types(tmp_path: Path) -> None:
    columns = {
        "question": pa.array(["a", "b"]).dictionary_encode(),
        "on": pa.array([datetime.date(2024, 1, 2), None]),
        "picture": pa.array([b"\xff\x00", b"\xfe"]),
        "yes": pa.array([True, False]),
    }
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    table = load_files([tmp_path / "rows.parquet"])
    assert table.page(0, 1) == [{"question": "a", "on": "2024-01-02", "yes": "true"}]
    assert "picture" in table.notes[0]


def test_questions_and_answers_in_plain_text(tmp_path: Path) -> None:
    text = "# Help\n\nQ: Where is it?\nA: Here.\n\nReally here.\n\nQ: Why?\nA: Because.\n"
    table = read(tmp_path, "faq.md", text)
    assert table.page(0, 9) == [
        {"question": "Where is it?", "answer": "Here.\n\nReally here."},
        {"question": "Why?", "answer": "Because."},
    ]


def test_plain_text_in_paragraphs_and_tab_lists(tmp_path: Path) -> None:
    assert len(read(tmp_path, "book.txt", "One line\nmore\n\nTwo\n\n\nThree\n")) == 3
    assert read(tmp_path, "words.txt", "Go.\tGå.\nRun!\tSpring!\nWho?\tVem?\n").columns == ["column_1", "column_2"]


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("question\tanswer\nWhere?\tHere\n", ["question", "answer"]),
        ("question,answer\nWhere?,Here\nWhy?,So\n", ["question", "answer"]),
        ('{"question": "a", "answer": "b"}\n{"question": "c", "answer": "d"}', ["question", "answer"]),
        ('[{"question": "a", "answer": "b"}]', ["question", "answer"]),
        ("Q: a\nA: b\nQ: c\nA: d", ["question", "answer"]),
        ("Just a sentence.", ["text"]),
    ],
)
def test_pasted_text(text: str, columns: list[str]) -> None:
    table = load_text(text)
    assert table.columns == columns
    assert table.files[0].name == "pasted text"


def test_nothing_pasted() -> None:
    with pytest.raises(DataError, match="nothing here"):
        load_text("  \n ")


def test_files_with_the_same_columns_are_stacked_and_tell_their_part(tmp_path: Path) -> None:
    (tmp_path / "up1").write_text("question,answer\na,b\n")
    (tmp_path / "up2").write_text("answer,question\nd,c\n")
    table = load_files([tmp_path / "up1", tmp_path / "up2"], ["my_train.csv", "my_test.csv"])
    assert [f.split for f in table.files] == ["train", "test"]
    assert table.page(0, 9) == [
        {"question": "a", "answer": "b", "split": "train"},
        {"question": "c", "answer": "d", "split": "test"},
    ]


def test_one_file_called_train_makes_no_split_column(tmp_path: Path) -> None:
    table = read(tmp_path, "train.csv", "question,answer\na,b\n")
    assert table.files[0].split == "train"
    assert table.columns == ["question", "answer"]


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("question,answer\na,b\n")
    (tmp_path / "b.csv").write_text("city,size\nc,d\n")
    with pytest.raises(DataError, match="same columns"):
        load_files([tmp_path / "a.csv", tmp_path / "b.csv"])


def test_hub_names_and_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    class OfflineModeIsEnabled(ConnectionError):
        pass

    def offline(*args: object) -> None:
        raise OfflineModeIsEnabled

    monkeypatch.setattr(hub, "_ask", offline)
    with pytest.raises(DataError, match="cannot be reached") as caught:
        hub.load_hub("owner/name")
    assert caught.value.what_to_do
    with pytest.raises(DataError, match="not the name"):
        hub.load_hub("../../etc/passwd")


def test_hub_splits_and_label_names(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    part = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features)
    monkeypatch.setattr(hub, "_ask", lambda wanted: None)
    monkeypatch.setattr("datasets.load_dataset", lambda *a, **k: datasets.DatasetDict(train=part, test=part))
    table = hub.load_hub("owner/name")
    assert table.page(0, 1) == [{"text": "a", "label": "yes", "split": "train"}]
    assert len(table) == 4
