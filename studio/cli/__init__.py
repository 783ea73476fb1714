"""The command line: the same engine as the browser, for a terminal. ``studio`` alone opens the app.

studio [--host … --port … --auth user:password --workspace DIR]
studio demo | train RECIPE | check DATA | runs | fetch BASE | export RUN | chat RUN
"""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> None:
    """Entry point of the ``studio`` command. Exit codes: 0 done, 1 unexpected, 2 something the person can mend."""
    from studio.cli.app import app
    from studio.core.errors import StudioError

    try:
        app()
    except StudioError as error:
        _tell(error)
    except KeyboardInterrupt:
        sys.exit(130)
    except (OSError, MemoryError) as error:
        from studio.runs.causes import in_words

        told = in_words(error)
        if told is None:
            raise
        _tell(told)


def _tell(error: Exception) -> NoReturn:
    from rich.console import Console

    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]✕[/] {_plain(str(error))}")
    sys.exit(2)


def _plain(text: str) -> str:
    """Without rich's markup: file names and data are not ours to interpret."""
    return text.replace("[", r"\[")
