"""The state of a run is one pure function of what lies in its folder."""

from __future__ import annotations

import pytest

from sfp_viz.errors import RunError
from sfp_viz.runs.storage.launch_record import LaunchRecord, QueueEntry
from sfp_viz.runs.storage.state import OVER, PATIENCE, RESUMABLE, STALE, Signs, state_of
from sfp_viz.runs.storage.worker_record import WorkerRecord


def signs(
    attempt: int = 0, worker_attempt: int = -1, outcome: str = "", queued: bool = False, **more
) -> Signs:
    worker = WorkerRecord(worker_attempt, outcome=outcome)
    entry = QueueEntry() if queued else None
    return Signs(LaunchRecord(attempt), worker, entry, **more)


CASES = {
    "a new folder waits": (signs(), "waiting"),
    "a start that was asked for waits": (signs(attempt=1, launch_process="alive"), "waiting"),
    "a start without a number yet waits": (signs(attempt=1, launch_age=1), "waiting"),
    "a start that never came is lost": (signs(attempt=1, launch_age=PATIENCE + 1), "lost"),
    "a start whose process is gone is lost": (signs(attempt=1, launch_process="gone"), "lost"),
    "a living worker runs": (signs(attempt=1, worker_attempt=1, worker_process="alive"), "running"),
    "a living worker with an old heartbeat runs": (
        signs(attempt=1, worker_attempt=1, worker_process="alive", beat_age=STALE * 9),
        "running",
    ),
    "a worker elsewhere runs while its heart beats": (
        signs(attempt=1, worker_attempt=1, beat_age=STALE - 1),
        "running",
    ),
    "a worker elsewhere whose heart stopped is lost": (
        signs(attempt=1, worker_attempt=1, beat_age=STALE + 1),
        "lost",
    ),
    "a killed worker is lost": (signs(attempt=1, worker_attempt=1, worker_process="gone"), "lost"),
    "a worker started by hand runs": (signs(worker_attempt=0, worker_process="alive"), "running"),
    "a request to cancel shows at once": (
        signs(attempt=1, worker_attempt=1, worker_process="alive", request="cancel"),
        "cancelling",
    ),
    "a cancelled start shows too": (
        signs(attempt=1, launch_process="alive", request="cancel"),
        "cancelling",
    ),
    "cancelled before it started": (signs(request="cancel"), "cancelled"),
    "killed after a request is cancelled": (
        signs(attempt=1, worker_attempt=1, worker_process="gone", request="cancel"),
        "cancelled",
    ),
    "the worker's last word counts": (
        signs(attempt=1, worker_attempt=1, worker_process="gone", outcome="failed"),
        "failed",
    ),
    "a last word counts at once, from anywhere": (
        signs(attempt=1, worker_attempt=1, outcome="cancelled"),
        "cancelled",
    ),
    "the last word of the worker before does not count": (
        signs(
            attempt=2,
            worker_attempt=1,
            launch_process="alive",
            worker_process="gone",
            outcome="failed",
        ),
        "waiting",
    ),
    "a request to pause shows at once": (
        signs(attempt=1, worker_attempt=1, worker_process="alive", request="pause"),
        "pausing",
    ),
    "a worker that paused has said so": (
        signs(
            attempt=1, worker_attempt=1, worker_process="gone", outcome="paused", request="pause"
        ),
        "paused",
    ),
    "killed before it could pause is lost": (
        signs(attempt=1, worker_attempt=1, worker_process="gone", request="pause"),
        "lost",
    ),
    "paused before it started": (signs(request="pause"), "paused"),
    "laid out and never started is lost": (signs(launch_age=PATIENCE + 1), "lost"),
    "in line": (signs(queued=True), "queued"),
    "in line for long": (signs(queued=True, launch_age=PATIENCE * 99), "queued"),
    "in line again, after a pause": (
        signs(attempt=1, worker_attempt=1, worker_process="gone", outcome="paused", queued=True),
        "queued",
    ),
    "a result is final": (
        signs(finished=True, worker_process="gone", request="cancel"),
        "finished",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_signs_add_up_to_one_state(case):
    shown, state = CASES[case]
    assert state_of(shown) == state


def test_only_a_run_that_is_over_can_be_resumed():
    assert RESUMABLE < OVER
    assert "finished" not in RESUMABLE


PLACES = {
    "a run that was never started": (QueueEntry(1.0, 5.0), LaunchRecord(), True),
    "a start after it was queued": (QueueEntry(time=5.0), LaunchRecord(1, time=6.0), False),
    "queued after a start": (QueueEntry(time=5.0), LaunchRecord(1, time=4.0), True),
    "attempts count more than clocks": (QueueEntry(0, 5, 1), LaunchRecord(1, time=9), True),
    "started since": (QueueEntry(0, 5, 1), LaunchRecord(2, time=1), False),
}


@pytest.mark.parametrize("case", PLACES)
def test_a_place_in_the_queue_counts_until_the_run_is_started(case):
    entry, launch, counts = PLACES[case]
    assert entry.is_valid(launch) is counts


def test_a_run_without_a_place_is_not_queued(tmp_path):
    assert QueueEntry.load(tmp_path) is None


def test_records_come_back_from_their_files_as_they_were(tmp_path):
    launch = LaunchRecord(3, "ray", 5.5, "here", 17, "No disk.", {"A": "1"}, "http://h:1", "job")
    worker = WorkerRecord(3, 17, "here", 1.0, 2.0, 4, "training", 1, 9, 2, 8, threads=2)
    launch.save(tmp_path)
    worker.updated({"device": "cpu", "message": "Good."}).save(tmp_path)
    QueueEntry(1.5, 2.0, 3, {"OMP_NUM_THREADS": "1"}).save(tmp_path)
    assert LaunchRecord.load(tmp_path) == launch
    assert QueueEntry.load(tmp_path) == QueueEntry(1.5, 2.0, 3, {"OMP_NUM_THREADS": "1"})
    back = WorkerRecord.load(tmp_path)
    assert (back.facts, back.message) == ({"device": "cpu"}, "Good.")
    assert back.updated({"message": ""}).beat == worker.beat


@pytest.mark.parametrize(
    ("kind", "file", "content", "field"),
    [
        (LaunchRecord, "launch.json", '{"attempt": "two"}', "'attempt' must be a whole number"),
        (LaunchRecord, "launch.json", '{"where": "moon"}', "'where' must be 'here' or 'ray'"),
        (LaunchRecord, "launch.json", '{"environment": {"A": 1}}', "'environment' must be text"),
        (WorkerRecord, "worker.json", '{"time": "now"}', "'time' must be a number"),
        (WorkerRecord, "worker.json", '{"beat": true}', "'beat' must be a whole number"),
        (QueueEntry, "queued.json", '{"order": []}', "'order' must be a number"),
    ],
)
def test_a_wrong_type_is_told_with_its_file_and_field(tmp_path, kind, file, content, field):
    (tmp_path / file).write_text(content)
    with pytest.raises(RunError, match=rf"{file} is damaged: {field}"):
        kind.load(tmp_path)


def test_a_null_is_a_default_and_an_unknown_key_is_passed_over(tmp_path):
    (tmp_path / "launch.json").write_text('{"attempt": 2, "pid": null, "later": 1}')
    assert LaunchRecord.load(tmp_path) == LaunchRecord(2)
