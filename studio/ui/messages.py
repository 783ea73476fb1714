"""Errors and notes as the person sees them: a sentence of what happened, one of what to do, never a traceback.

One at a time, for as long as it takes to read: assets/ui/messages.js sees to that. Here each is left without an end, for
Gradio's own clock closes all messages of a kind when the first of them is due.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any

import gradio as gr

from studio.core.errors import StudioError
from studio.runs.causes import in_words
from studio.ui.views.html import join, tag, text

log = logging.getLogger("studio.ui")


def message_of(error: StudioError) -> str:
    """Title, what happened and what to do, as escaped HTML for a toast."""
    told = " ".join(part for part in (error.what_happened, error.what_to_do) if part)
    return join(tag("strong", f"{error.title.rstrip('.')}."), " ", told)


def notify(message: str) -> None:
    """A short message; plain text."""
    gr.Info(text(message), duration=None)


def warn(error: StudioError) -> None:
    """An error that stops nothing."""
    gr.Warning(message_of(error), title=error.title, duration=None)


def as_shown(error: Exception, where: str) -> gr.Error:
    """The error as the page shows it. Raised, it also stops what hangs on the handler's success."""
    if isinstance(error, gr.Error):
        return error
    if not isinstance(error, StudioError):
        error = in_words(error) or error
    if isinstance(error, StudioError):
        return gr.Error(message_of(error), title=error.title, duration=None, print_exception=False)
    log.exception("%s failed", where)
    return gr.Error(
        "<strong>That did not work.</strong> Something in the studio itself failed. Your run and your data are as they were. "
        "Try again; the details are in the terminal window.",
        title="That did not work",
        duration=None,
        print_exception=False,
    )


def guarded(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap an event handler so that no traceback ever reaches the page.

    A :class:`StudioError` is shown in its own words; anything else as a plain sentence, its traceback in the log.
    Works for generators too. What was chained with ``.success`` does not run.
    """
    where = getattr(handler, "__qualname__", repr(handler))
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def stream(*arguments: Any, **named: Any) -> Any:
            try:
                yield from handler(*arguments, **named)
            except Exception as error:  # noqa: BLE001  the boundary where every error becomes words
                raise as_shown(error, where) from None

        return stream

    @functools.wraps(handler)
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return handler(*arguments, **named)
        except Exception as error:  # noqa: BLE001
            raise as_shown(error, where) from None

    return call
