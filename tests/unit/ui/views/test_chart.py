"""The reader behind the live curve: forward only, thinned, and true when a run is resumed."""

import json
import math
from pathlib import Path

import pytest

from studio.runs.events import EventWriter
from studio.ui.views import chart
from studio.ui.views.chart import METRICS, POINTS, RunWatch


def write(path: Path, events: list[dict]) -> None:
    with path.open("a") as file:
        for number, event in enumerate(events):
            file.write(json.dumps({"v": 1, "seq": number + 1, "time": 1.0, "kind": "metric", **event}) + "\n")


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def ask(watch: RunWatch, answer: dict | None = None, **more: object) -> dict:
    known = {"generation": answer["generation"], "cursor": answer["cursor"]} if answer else {}
    return watch.answer({**known, **more})


def test_a_run_without_events_is_an_empty_chart(events: Path) -> None:
    answer = ask(RunWatch(events))
    assert answer["full"]
    assert answer["series"] == {}
    assert answer["base"] is None
    assert answer["best"] is None


def test_after_the_first_answer_only_new_points_are_sent(events: Path) -> None:
    watch = RunWatch(events)
    write(events, [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.5}])
    first = ask(watch)
    assert first["series"]["loss"] == [[1, 2], [3.0, 2.5]]
    assert ask(watch, first)["series"] == {}
    write(events, [{"step": 3, "loss": 2.0, "learning_rate": 1e-4}])
    second = ask(watch, first)
    assert not second["full"]
    assert second["series"] == {"loss": [[3], [2.0]], "learning_rate": [[3], [1e-4]]}


def test_two_browsers_read_the_same_watch_each_with_its_own_cursor(events: Path) -> None:
    watch = RunWatch(events)
    write(events, [{"step": 1, "loss": 3.0}])
    early = ask(watch)
    write(events, [{"step": 2, "loss": 2.0}])
    late = ask(watch)
    assert late["series"]["loss"] == [[1, 2], [3.0, 2.0]]
    assert ask(watch, early)["series"]["loss"] == [[2], [2.0]]
    assert ask(watch, late)["series"] == {}


def test_a_torn_last_line_waits_for_its_rest(events: Path) -> None:
    watch = RunWatch(events)
    write(events, [{"step": 1, "loss": 3.0}])
    with events.open("a") as file:
        file.write('{"v":1,"seq":2,"kind":"metric","step":2,"lo')
    first = ask(watch)
    assert first["series"]["loss"] == [[1], [3.0]]
    with events.open("a") as file:
        file.write('ss":2.5}\n')
    assert ask(watch, first)["series"]["loss"] == [[2], [2.5]]


def test_lines_that_are_no_events_and_values_that_are_no_numbers_are_passed_over(events: Path) -> None:
    events.write_text(
        'nonsense\n[1]\n"x"\n{"kind":"metric","step":"a","loss":1}\n{"kind":"metric","step":1,"loss":null}\n'
    )
    write(events, [{"step": 2, "loss": True}, {"step": 3, "loss": 1.5}])
    assert ask(RunWatch(events))["series"] == {"loss": [[3], [1.5]]}


def test_a_resumed_run_goes_over_its_steps_again_and_the_later_account_holds(events: Path) -> None:
    watch = RunWatch(events)
    write(events, [{"step": step, "loss": 4.0 - step / 10} for step in range(1, 8)])
    write(events, [{"step": 5, "validation_loss": 9.0}, {"step": 7, "validation_loss": 8.0}])
    before = ask(watch)
    write(events, [{"step": 6, "loss": 1.0}])
    after = ask(watch, before)
    assert after["full"]
    assert after["generation"] != before["generation"]
    assert after["series"]["loss"] == [[1, 2, 3, 4, 5, 6], [3.9, 3.8, 3.7, 3.6, 3.5, 1.0]]
    assert after["series"]["validation_loss"] == [[5], [9.0]]


def test_a_second_value_for_the_last_step_replaces_the_first(events: Path) -> None:
    watch = RunWatch(events)
    write(events, [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}, {"step": 2, "loss": 2.0}])
    before = ask(watch)
    write(events, [{"step": 2, "loss": 1.5}])
    after = ask(watch, before)
    assert after["series"]["loss"] == [[1, 2], [3.0, 1.5]]


def test_a_log_that_became_shorter_is_read_anew(events: Path) -> None:
    watch = RunWatch(events)
    write(events, [{"step": step, "loss": 1.0} for step in range(1, 30)])
    before = ask(watch)
    events.unlink()
    write(events, [{"step": 1, "loss": 7.0}])
    after = ask(watch, before)
    assert after["full"]
    assert after["series"]["loss"] == [[1], [7.0]]


def test_another_run_under_the_name_of_a_deleted_one_is_read_anew_however_long(events: Path) -> None:
    watch = RunWatch(events)
    write(events, [{"step": 1, "loss": 3.0}])
    before = ask(watch)
    events.unlink()
    assert ask(watch, before)["series"] == {}
    write(events, [{"step": 1, "loss": 8.0}])
    ask(watch)
    events.unlink()
    write(events, [{"step": step, "loss": 7.0} for step in range(1, 50)])
    assert ask(watch, before)["series"]["loss"][1] == [7.0] * 49


def test_the_base_level_is_the_validation_loss_at_step_0_and_the_best_is_the_lowest_after(events: Path) -> None:
    watch = RunWatch(events)
    write(events, [{"step": 0, "validation_loss": 3.0}])
    assert ask(watch)["base"] == 3.0
    assert ask(watch)["best"] is None
    write(events, [{"step": 10, "validation_loss": 2.0}, {"step": 20, "validation_loss": 2.4}])
    assert ask(watch)["best"] == [10, 2.0]


@pytest.mark.parametrize(
    "cursor", [None, "x", [1], [0] * (len(METRICS) - 1) + [99], [-1] * len(METRICS), [0.5] * len(METRICS)]
)
def test_an_odd_cursor_gets_the_whole_curve(events: Path, cursor: object) -> None:
    watch = RunWatch(events)
    write(events, [{"step": 1, "loss": 3.0}])
    answer = watch.answer({"generation": 0, "cursor": cursor, "span": ["a", None]})
    assert answer["full"]
    assert answer["series"]["loss"] == [[1], [3.0]]


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "events.jsonl"
    loss = [math.exp(-step / 30_000) + math.sin(step) / 20 for step in range(1, 100_001)]
    loss[54_321] = 9.0  # one spike, which thinning must keep
    write(path, [{"step": step, "loss": value, "learning_rate": 1e-4} for step, value in enumerate(loss, start=1)])
    return path


def test_100_000_steps_are_thinned_for_a_new_page_and_keep_their_spike(long_log: Path) -> None:
    answer = ask(RunWatch(long_log))
    steps, values = answer["series"]["loss"]
    assert len(steps) <= POINTS
    assert steps[0] == 1
    assert steps[-1] == 100_000
    assert max(values) == 9.0
    assert answer["cursor"][0] == 100_000
    assert len(json.dumps(answer)) < 120_000


def test_at_100_000_steps_a_new_point_is_all_that_is_read_and_sent(long_log: Path, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(long_log.read_bytes())
    watch = RunWatch(path)
    first = ask(watch)
    offset = watch._offset
    write(path, [{"step": 100_001, "loss": 0.5}])
    second = ask(watch, first)
    assert second["series"] == {"loss": [[100_001], [0.5]]}
    assert offset < watch._offset == path.stat().st_size
    assert len(json.dumps(second)) < 500


def test_looking_closer_sends_every_point_of_the_part_in_view(long_log: Path) -> None:
    watch = RunWatch(long_log)
    answer = ask(watch, ask(watch), fresh=True, span=[1000, 1500])
    steps, _ = answer["series"]["loss"]
    assert answer["full"]
    assert {1000, 1001, 1250, 1500} <= set(steps)
    assert len(steps) <= 503


def test_a_browser_that_slept_through_many_points_gets_the_curve_thinned(long_log: Path) -> None:
    watch = RunWatch(long_log)
    answer = ask(watch, {"generation": 0, "cursor": [5] + [0] * (len(METRICS) - 1)})
    assert answer["full"]
    assert len(answer["series"]["loss"][0]) <= POINTS


def test_the_table_has_every_check_and_the_last_points(events: Path) -> None:
    watch = RunWatch(events)
    write(events, [{"step": 0, "validation_loss": 3.0}])
    for step in range(1, 301):
        write(events, [{"step": step, "loss": float(step)}])
        if step % 100 == 0:
            write(events, [{"step": step, "validation_loss": 2.0}])
    watch.refresh()
    rows = watch.numbers(last=20)
    assert [row["step"] for row in rows][:3] == [0, 100, 200]
    assert rows[1]["loss"] == 100.0
    assert rows[-1] == {**dict.fromkeys(METRICS), "step": 300, "loss": 300.0, "validation_loss": 2.0}
    assert len(rows) == 3 + 20


def test_samples_notes_and_status_are_kept_and_a_resume_takes_back_what_came_later(events: Path) -> None:
    writer = EventWriter(events)
    writer("status", state="training", message="Learning.", step=1, total_steps=9)
    writer("metric", step=5, loss=1.0)
    writer("sample", step=5, prompt="p", answer="a")
    writer("note", step=5, code="plateau", level="caution", text="t")
    writer("status", step=5, seconds_left=3)
    watch = RunWatch(events)
    assert watch.refresh() == 5
    assert watch.status["total_steps"] == 9
    assert watch.status["seconds_left"] == 3
    assert [len(watch.samples), len(watch.notes)] == [1, 1]
    writer("metric", step=3, loss=1.5)
    writer.close()
    watch.refresh()
    assert [watch.samples, watch.notes] == [[], []]


def test_the_answers_of_the_checkpoint_that_is_kept_are_marked(events: Path) -> None:
    writer = EventWriter(events)
    watch = RunWatch(events)
    for step, loss in ((0, 1.0), (10, 2.0), (20, 1.5), (30, 1.8)):
        writer("metric", step=step, validation_loss=loss)
        writer("sample", step=step, prompt="p", answer="a")
    watch.refresh()
    assert [sample["step"] for sample in watch.samples if sample["best"]] == [20]
    assert [sample["step"] for sample in watch.samples if sample["worse"]] == [20]
    writer("metric", step=40, validation_loss=0.9)
    writer("sample", step=40, prompt="p", answer="a")
    writer.close()
    watch.refresh()
    assert [sample["step"] for sample in watch.samples if sample["best"]] == [40]
    assert not any(sample["worse"] for sample in watch.samples)


def test_one_watch_per_log_and_the_oldest_are_forgotten(tmp_path: Path) -> None:
    first = chart.watch(tmp_path / "0.jsonl")
    assert chart.watch(tmp_path / "0.jsonl") is first
    for number in range(1, 40):
        chart.watch(tmp_path / f"{number}.jsonl")
    assert chart.watch(tmp_path / "0.jsonl") is not first
