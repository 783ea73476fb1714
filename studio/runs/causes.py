"""Why a process of ours gave up, in the person's words."""

from __future__ import annotations

import errno

from studio.core.errors import RunError, StudioError
from studio.core.limits import is_disk_full, is_out_of_memory


def in_words(error: BaseException) -> StudioError | None:
    """What the machine itself refused (disk full, nothing may be written, memory), for the person; None for the rest."""
    if is_disk_full(error):
        return RunError(
            "The disk is full",
            "What you asked for could not be written to the end.",
            "Free some space, or delete runs you no longer need, and try again.",
            code="disk_full",
        )
    if isinstance(error, OSError) and error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        return RunError(
            "This folder cannot be written",
            f"{error.filename or 'The workspace'}: {error.strerror}.",
            "Mend its permissions, or choose another folder with --workspace.",
        )
    if is_out_of_memory(error):
        return RunError(
            "The memory is full",
            "The machine had no room left for this.",
            "Close other programs, or take fewer rows.",
            code="out_of_memory",
        )
    return None


def run_failure(error: Exception) -> StudioError:
    """Why a run failed, in the person's words: whatever it was."""
    if isinstance(error, StudioError):
        return error
    if is_out_of_memory(error):
        return RunError(
            "The memory was not enough",
            "The run needed more memory than there is.",
            "Try again with fewer rows at once and more batches per step; it learns the same.",
            code="out_of_memory",
        )
    if is_disk_full(error):
        return RunError(
            "The disk is full",
            "There was no room for the next checkpoint.",
            "Delete runs or exports you no longer need, then resume.",
            code="disk_full",
        )
    return RunError(
        "The run failed",
        "Something went wrong that the studio did not expect.",
        "Try again; if it fails again, log.txt in the run's folder has the details.",
        code="unexpected",
    )
