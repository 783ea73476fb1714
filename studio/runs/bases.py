"""Where a run's base model lies on this machine; fetched when it is not here yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.runs.folder import RunFolder


def workspace_of(run: RunFolder) -> Workspace:
    """The workspace the run lies in; the default one for a run folder that was carried elsewhere."""
    parent = run.path.resolve().parent
    return Workspace.open(parent.parent if parent.name == "runs" else None)


def base_folder(
    run: RunFolder, recipe: Recipe | None = None, progress: Callable[[str, float], None] | None = None
) -> Path:
    """The base's folder. The path in the recipe is believed first, as long as a model lies there; a run that came from
    another machine finds its base by its id.

    Args:
        progress: Called with a sentence and the share done while it downloads. Without it nothing is downloaded.

    Raises:
        ModelError: the base cannot be found, fetched or used.
    """
    recipe = recipe or run.recipe()
    if recipe.base.path and (Path(recipe.base.path) / "config.json").is_file():
        return Path(recipe.base.path)
    from studio.models.catalogue import find
    from studio.models.fetch import fetch, local_folder

    workspace = workspace_of(run)
    card = find(recipe.base.id, workspace)
    return fetch(card, workspace, progress) if progress else local_folder(card, workspace)
