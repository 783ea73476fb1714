"""Whose turn it is, read from the run folders alone."""

from run_fakes import prepared

from studio.runs.queue import Queue


def test_the_position_counts_the_active_run_and_those_queued_before(workspace):
    queue = Queue(workspace)
    active, second, first, draft = (prepared(workspace, name) for name in ("active", "second", "first", "draft"))
    active.change_state(state="starting")
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
            first.change_state(state="starting")
        return found

    monkeypatch.setattr(queue, "_unsettled", list_and_start)
    assert queue.position(second) == 1
    assert queue.position(second) == 1
