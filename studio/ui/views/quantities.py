"""Numbers, durations and sizes as a person writes them. No UI toolkit here."""

from __future__ import annotations

from typing import Any


def short(value: Any) -> str:
    """A value as a person writes it: ``2e-4``, ``0.05``, ``1,024``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) or value.is_integer():
        return f"{int(value):,}"
    if abs(value) < 0.001:
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        return f"{float(mantissa):g}e{int(exponent)}"
    return f"{value:.4g}"


def duration(seconds: float) -> str:
    """``about 40 s``, ``about 3 min``, ``about 2 h 10 min``."""
    if seconds < 55:
        rounded = max(5, round(seconds / 5) * 5)
        return f"about {rounded} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"about {max(1, minutes)} min"
    hours, rest = divmod(minutes, 60)
    return f"about {hours} h {rest} min" if rest and hours < 10 else f"about {hours} h"


def gigabytes(gib: float) -> str:
    """``0.9 GB``, ``35 MB``."""
    if gib < 0.1:
        return f"{max(1, round(gib * 1024))} MB"
    return f"{gib:.1f} GB" if gib < 10 else f"{gib:.0f} GB"


def weights(count: int) -> str:
    """``5.3 million weights``."""
    for size, word in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if count >= size:
            return f"{count / size:.3g} {word} weights"
    return f"{count} weights"
