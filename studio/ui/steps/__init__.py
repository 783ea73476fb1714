"""The six screens, in order. Each module has ``build(studio, run_id, shell) -> StepView``."""

from __future__ import annotations

import importlib
from types import ModuleType

NAMES = ("data", "prepare", "model", "train", "compare", "export")


def step_modules() -> list[ModuleType]:
    """The screens' modules, imported now; a screen that is not written yet is an empty one (while developing)."""
    modules = []
    for name in NAMES:
        try:
            modules.append(importlib.import_module(f"studio.ui.steps.{name}"))
        except ModuleNotFoundError as error:
            if error.name != f"studio.ui.steps.{name}":
                raise
            modules.append(importlib.import_module("studio.ui.steps._missing"))
    return modules
