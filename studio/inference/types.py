"""The two sides, and how their answers are drawn: plain values, no torch, so that a process can check them before it loads
anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from studio.core.errors import RunError

Side = Literal["base", "tuned"]
SIDES: tuple[Side, Side] = ("base", "tuned")


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn. ``temperature`` 0 always takes the likeliest token; ``seed`` repeats an answer."""

    temperature: float = 0.7
    top_p: float = 0.9
    max_new_tokens: int = 256
    seed: int = 42
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        bounds: dict[str, tuple[float, float]] = {
            "temperature": (0, 5), "top_p": (0, 1), "max_new_tokens": (1, 100_000), "seed": (0, 2**63 - 1),
            "repetition_penalty": (0.1, 10),
        }  # fmt: skip
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= high:
                raise RunError(
                    "A setting of the answers is not usable",
                    f"{name.replace('_', ' ')} is {value!r}.",
                    f"Choose a value from {low:g} to {high:g}.",
                )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> Sampling:
        """
        Raises:
            RunError: a value is out of its range, or a name is unknown.
        """
        given = {k: v for k, v in (values or {}).items() if v is not None}
        unknown = set(given) - {f.name for f in fields(cls)}
        if unknown:
            raise RunError(
                "A setting of the answers is not known", f"“{sorted(unknown)[0]}” is no such setting.", "Leave it out."
            )
        for name in ("max_new_tokens", "seed"):
            if isinstance(given.get(name), float) and given[name] == int(given[name]):
                given[name] = int(given[name])
        return cls(**given)
