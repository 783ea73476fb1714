"""Where a run's base model lies on this machine; fetched when it is not here yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from studio.core.recipe import Recipe
from studio.core.workspace import Workspace
from studio.runs.folder import RunFolder


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
    from studio.models.catalogue import find, folder_of
    from studio.models.fetch import fetch

    workspace = Workspace.around(run.path)
    if progress is None:
        return folder_of(recipe.base.id, workspace)
    return fetch(find(recipe.base.id, workspace), workspace, progress)
