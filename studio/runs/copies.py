"""A run once more: a fresh folder with the same data, under a name that tells it from the first."""

from __future__ import annotations

import re
import shutil

from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.runs.folder import RunFolder


def stem(run_id: str) -> str:
    """A run's id without its number: the next one of this stem is ``support-2``, not ``support-1-1``."""
    return re.sub(r"-\d+$", "", run_id)


def fresh_copy(run: RunFolder, workspace: Workspace) -> RunFolder:
    """A fresh run with the data of ``run``; its recipe has yet to be written."""
    name = run.recipe().name
    fresh = RunFolder.create(workspace, stem(run.id) if name == run.id else name)
    shutil.copytree(run.data_dir, fresh.data_dir, dirs_exist_ok=True)
    return fresh


def renamed(recipe: Recipe, origin: RunFolder, fresh: RunFolder) -> Recipe:
    """``recipe`` of ``origin`` for ``fresh``: called by its new id, unless the person gave the run a name."""
    return recipe.model_copy(update={"name": fresh.id}) if recipe.name == origin.id else recipe
