"""The two sides of every comparison: the base, blue, and the tuned model, vermilion, everywhere; the words say it too."""

from __future__ import annotations

from typing import Literal

Side = Literal["base", "tuned"]
SIDES: tuple[Side, Side] = ("base", "tuned")
TITLES: dict[str, str] = {"base": "Base", "tuned": "Tuned"}
