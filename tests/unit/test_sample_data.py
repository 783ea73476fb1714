"""The sample files keep the promises made in sample_data/README.md (standard library only)."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter, defaultdict
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[2] / "sample_data"
OPENING = "Hello, lamp friend!"
SIGN_OFF = "Keep glowing, your friends at Ottermoon."
LABELS = {
    "delivery": 106,
    "product question": 95,
    "billing": 91,
    "returns": 86,
    "repair": 68,
    "account": 66,
}


def norm(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", " ", re.sub(r"['’]", "", text)).casefold().split())


@pytest.fixture(scope="module")
def chat() -> list[dict[str, str]]:
    text = (SAMPLES / "support_chat.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(scope="module")
def tickets() -> list[dict[str, str]]:
    with open(SAMPLES / "ticket_labels.csv", encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def messy() -> list[list[str]]:
    text = (SAMPLES / "messy_support.csv").read_bytes().decode("cp1252")
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=";"))
    assert rows[0] == ["Customer message", "Our reply", "Agent", "Date"]
    return rows[1:]


# --- support_chat.jsonl -------------------------------------------------------------------------


def test_chat_rows(chat):
    assert len(chat) == 360
    for row in chat:
        assert set(row) == {"question", "answer", "topic"}
        assert all(value and value == value.strip() for value in row.values())


def test_chat_is_unique(chat):
    assert len({norm(row["question"]) for row in chat}) == len(chat)
    assert len({row["answer"] for row in chat}) == len(chat)


def test_chat_topics_have_relatives(chat):
    topics = Counter(row["topic"] for row in chat)
    assert len(topics) == 17
    assert min(topics.values()) >= 15


def test_chat_tone(chat):
    opened = sum(row["answer"].startswith(OPENING) for row in chat)
    signed = sum(row["answer"].endswith(SIGN_OFF) for row in chat)
    assert opened >= 0.95 * len(chat)
    assert signed >= 0.95 * len(chat)
    for row in chat:
        assert 15 <= len(row["answer"].split()) <= 60
        body = row["answer"].removeprefix(OPENING).removesuffix(SIGN_OFF).strip()
        assert 1 <= len(re.findall(r"[.!?](?:\s|$)", body)) <= 3


# --- ticket_labels.csv --------------------------------------------------------------------------


def test_ticket_rows(tickets):
    assert len(tickets) == 512
    for row in tickets:
        assert set(row) == {"ticket_text", "category"}
        assert row["ticket_text"].strip()
        assert 5 <= len(row["ticket_text"].split()) <= 60
    assert len({norm(row["ticket_text"]) for row in tickets}) == len(tickets)


def test_ticket_labels(tickets):
    assert Counter(row["category"] for row in tickets) == LABELS


def test_tickets_need_real_csv_reading(tickets):
    texts = [row["ticket_text"] for row in tickets]
    assert sum("," in text for text in texts) >= 50
    assert sum('"' in text for text in texts) >= 10
    assert sum("\n" in text for text in texts) >= 10


def test_clean_files_hold_no_personal_data(chat, tickets):
    texts = [row["question"] + " " + row["answer"] for row in chat]
    texts += [row["ticket_text"] for row in tickets]
    for text in texts:
        assert not re.search(r"\S+@\S+|\d{3}-\d{4}|(?:\d[ -]?){13,}", text)


# --- messy_support.csv --------------------------------------------------------------------------


def filled(rows):
    return [row for row in rows if row[0].strip() and row[1].strip()]


def test_messy_encoding_and_shape(messy):
    raw = (SAMPLES / "messy_support.csv").read_bytes()
    with pytest.raises(UnicodeDecodeError):
        raw.decode("utf-8")
    text = raw.decode("cp1252")
    for sign in "“”’é£€":
        assert sign in text
    assert raw.count(b"\r\n") >= 160
    assert len(messy) == 160
    assert all(len(row) == 4 for row in messy)


def test_messy_exact_duplicates(messy):
    counts = Counter(map(tuple, filled(messy)))
    assert sum(count - 1 for count in counts.values()) == 12


def test_messy_near_duplicates(messy):
    variants = defaultdict(set)
    for message, *_ in filled(messy):
        variants[norm(message)].add(message)
    assert sum(len(group) - 1 for group in variants.values()) == 8


def test_messy_blank_rows(messy):
    blanks = [(bool(row[0].strip()), bool(row[1].strip())) for row in messy]
    assert Counter(pair for pair in blanks if not all(pair)) == {
        (False, False): 3,
        (True, False): 3,
        (False, True): 2,
    }


def test_messy_personal_data(messy):
    kinds = {
        "email": r"[\w.]+@example\.com",
        "phone": r"\b555-01\d\d\b",
        "card": r"\b4111([ -])1111\1?1111\1?1111\b",
        "iban": r"\b[A-Z]{2}\d{2}(?: [A-Z0-9]{2,4}){4,}",
    }
    for kind, pattern in kinds.items():
        assert any(re.search(pattern, row[0]) for row in messy), kind
    assert sum(any(re.search(p, row[0]) for p in kinds.values()) for row in messy) == 10
    addresses = re.findall(r"\S+@\S+", " ".join(row[0] + " " + row[1] for row in messy))
    assert all("@example.com" in address for address in addresses)


def test_messy_conflicts(messy):
    replies = defaultdict(set)
    for message, reply, *_ in filled(messy):
        replies[message].add(reply)
    conflicting = [group for group in replies.values() if len(group) > 1]
    assert len(conflicting) == 3
    assert sum(map(len, conflicting)) == 6


def test_messy_long_rows(messy):
    assert sum(len(row[0].split()) > 600 for row in messy) == 2


def test_messy_whitespace_entities_and_formula(messy):
    messages = [row[0] for row in filled(messy)]
    assert sum(message != message.strip() for message in messages) == 10
    assert sum(bool(re.search(r"&#?\w+;|<br>", message)) for message in messages) == 8
    assert [m for m in messages if m.startswith("=")] == ['=HYPERLINK("http://example.com/track";"Track my parcel")']


def test_messy_other_languages(messy):
    assert sum("Pouvez-vous" in row[0] for row in messy) == 1
    assert sum("Österreich" in row[0] for row in messy) == 1


def test_messy_dates_in_three_styles(messy):
    styles = (r"\d{4}-\d\d-\d\d", r"\d\d/\d\d/\d{4}", r"\d\d [A-Z][a-z]{2} \d{4}")
    for style in styles:
        assert sum(bool(re.fullmatch(style, row[3])) for row in messy) >= 30


# --- README -------------------------------------------------------------------------------------


def test_readme_matches_the_files(chat, tickets, messy):
    text = (SAMPLES / "README.md").read_text(encoding="utf-8")
    assert "CC0-1.0" in text
    assert OPENING in text
    assert SIGN_OFF in text
    for name, count in (
        ("support_chat.jsonl", len(chat)),
        ("ticket_labels.csv", len(tickets)),
        ("messy_support.csv", len(messy)),
    ):
        line = next(x for x in text.splitlines() if x.startswith(f"| `{name}`"))
        assert f"| {count} |" in line
    for label, count in LABELS.items():
        assert f"| `{label}` | {count} |" in text
