"""Where the files that ship with the studio lie: the checkout's own folders, or their copies inside the wheel."""

from __future__ import annotations

from pathlib import Path

SAMPLES: dict[str, tuple[str, str]] = {
    "support_chat.jsonl": (
        "Support answers",
        "360 questions to a lamp shop, answered in one warm voice. Learns to chat.",
    ),
    "ticket_labels.csv": ("Ticket labels", "512 messages to a help desk, sorted into six drawers. Learns to sort."),
    "messy_support.csv": (
        "Messy on purpose",
        "The same shop, exported badly: doubles, gaps, private details. Learn to mend.",
    ),
}
"""Files of the sample gallery: name → (title, sentence)."""

_PACKAGE = Path(__file__).resolve().parents[1]


def _shipped(name: str) -> Path:
    bundled = _PACKAGE / "_bundled" / name
    return bundled if bundled.is_dir() else _PACKAGE.parent / name


def assets_dir() -> Path:
    """Embedded bases (``base/``), catalogue, help texts, logo."""
    return _shipped("assets")


def sample_data_dir() -> Path:
    """The small data sets of the sample gallery."""
    return _shipped("sample_data")
