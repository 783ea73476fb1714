"""Small JSON files of a run's folder: replaced whole, so that no reader ever sees half of one."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any


def write_json(path: Path, value: Any) -> None:
    """Replace ``path`` atomically."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    temporary.write_text(json.dumps(finite(value), ensure_ascii=False, indent=1, default=str), encoding="utf-8")
    _put(temporary, path)


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in ``path``; None when there is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _put(temporary: Path, path: Path) -> None:
    """Windows replaces no file that somebody is just reading; readers take a moment."""
    for _ in range(100 if sys.platform == "win32" else 0):
        try:
            temporary.replace(path)
            return
        except PermissionError:
            time.sleep(0.02)
    temporary.replace(path)


def finite(value: Any) -> Any:
    """NaN and infinities as None: they are not JSON, and a browser would refuse the whole line."""
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return value
