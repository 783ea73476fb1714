"""What the two sides of every comparison are called: the base, blue, and the tuned model, vermilion, everywhere."""

from __future__ import annotations

from studio.inference.types import Side

TITLES: dict[Side, str] = {"base": "Base", "tuned": "Tuned"}
