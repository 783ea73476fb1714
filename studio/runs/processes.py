"""Processes of our own: started in their own session, known by number and start time, ended one by one.

A process number alone is not enough to know a process by: the system gives it to another one later. Nothing here ever
looks for a process by its name.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

QUIET = {
    "PYTHONUNBUFFERED": "1",
    "PYTHONIOENCODING": "utf-8",
    "OMP_WAIT_POLICY": "PASSIVE",  # waiting threads sleep: the app and the trainer share these cores
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}


def start(command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
    """Start ``command`` in its own session, so that neither Ctrl-C nor the app's end reaches it.

    Args:
        options: As for ``Popen``; ``stdin``, ``stdout`` and ``stderr`` are /dev/null where not given.
    """
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    own: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        own = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return subprocess.Popen(list(command), **{"env": {**os.environ, **QUIET}, **own, **streams, **options})


def module(name: str, *arguments: str | Path) -> list[str]:
    """The command that runs one of our modules with this very Python."""
    return [sys.executable, "-m", name, *map(str, arguments)]


def started_at(pid: int) -> float | None:
    """When the process began, in seconds; None when there is none.

    On Linux since the machine started, elsewhere since the epoch: Linux derives the latter from the clock of the moment, so
    that a clock set right during a run would make its worker look like another process.
    """
    try:
        if psutil.LINUX:
            # Field 22 of proc(5)'s stat, counted behind the name, which may itself hold spaces and brackets.
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            return int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return psutil.Process(pid).create_time()
    except (psutil.Error, OSError, IndexError, ValueError):
        return None


def alive(pid: int | None, started: float | None) -> bool:
    """Whether the process that was given this number then is still there.

    A zombie is not, once its last thread is gone: one that was killed shows as a zombie while its other threads still end,
    and holds its files and locks until they have.
    """
    if pid is None:
        return False
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1:
            return False
    except psutil.Error:
        return False
    now = started_at(pid)
    return now is not None and (started is None or abs(now - started) < 2)


CAN_ASK = sys.platform != "win32"
"""Whether the system can ask a process to end (SIGTERM); Windows can only end it."""


def was_killed(exit_code: int) -> bool:
    """Whether a process was ended without being asked, as the system does when memory runs out."""
    return sys.platform != "win32" and exit_code == -signal.SIGKILL


def end(pid: int | None, started: float | None, *, kill: bool = False) -> bool:
    """Ask exactly this process to end (SIGTERM), or end it (SIGKILL). False when it is gone already."""
    if pid is None or started is None or not alive(pid, started):
        return False
    try:
        process = psutil.Process(pid)
        process.kill() if kill else process.terminate()
    except psutil.Error:
        return False
    return True


def give_way_when_memory_ends() -> None:
    """Ask the system (Linux) to end this process rather than the app, should memory run out."""
    try:
        Path("/proc/self/oom_score_adj").write_text("500")
    except OSError:
        return


def log_to(path: Path) -> None:
    """From now on stdout and stderr, those of C libraries too, go to the end of ``path``, line by line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
