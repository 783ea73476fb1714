"""Whose turn it is, read from the run folders alone."""

import os
from dataclasses import replace

from run_fakes import prepared

from studio.runs import processes
from studio.runs.queue import Queue


def start(run):
    """As if a worker had it: this very process, which lives as long as the test."""
    run.change_state(state="starting", pid=os.getpid(), pid_started=processes.started_at(os.getpid()))


def test_the_position_counts_the_active_run_and_those_queued_before(workspace):
    queue = Queue(workspace)
    active, second, first, draft = (prepared(workspace, name) for name in ("active", "second", "first", "draft"))
    start(active)
    first.change_state(state="queued", queued_at=1.0)
    second.change_state(state="queued", queued_at=2.0)
    assert [queue.position(run) for run in (active, first, second, draft)] == [None, 1, 2, None]


def test_a_run_that_is_started_meanwhile_is_counted_once(workspace, monkeypatch):
    queue = Queue(workspace)
    first, second = prepared(workspace, "first"), prepared(workspace, "second")
    first.change_state(state="queued", queued_at=1.0)
    second.change_state(state="queued", queued_at=2.0)
    listed = queue._unsettled

    def list_and_start():
        found = listed()
        if first.state().state == "queued":
            start(first)
        return found

    monkeypatch.setattr(queue, "_unsettled", list_and_start)
    assert queue.position(second) == 1
    assert queue.position(second) == 1


def test_a_changed_state_is_seen_even_within_one_tick_of_the_clock(workspace):
    queue, run = Queue(workspace), prepared(workspace)
    assert queue.waiting() == []
    status = (run.path / "state.json").stat()
    run.write_state(replace(run.state(), state="queued", queued_at=1.0))
    os.utime(run.path / "state.json", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert [r.id for r, _ in queue.waiting()] == [run.id]
