"""The state of a run is one pure function of what lies in its folder."""

from __future__ import annotations

import pytest

from sfp_viz.runs.liveness import is_queued
from sfp_viz.runs.storage.state import OVER, PATIENCE, RESUMABLE, STALE, Signs, state_of

CASES = {
    "a new folder waits": (Signs(), "waiting"),
    "a start that was asked for waits": (Signs(attempt=1, launched="alive"), "waiting"),
    "a start without a number yet waits": (Signs(attempt=1, launch_age=1), "waiting"),
    "a start that never came is lost": (Signs(attempt=1, launch_age=PATIENCE + 1), "lost"),
    "a start whose process is gone is lost": (Signs(attempt=1, launched="gone"), "lost"),
    "a living worker runs": (Signs(attempt=1, worker_attempt=1, worker="alive"), "running"),
    "a living worker with an old heartbeat runs": (
        Signs(attempt=1, worker_attempt=1, worker="alive", beat_age=STALE * 9),
        "running",
    ),
    "a worker elsewhere runs while its heart beats": (
        Signs(attempt=1, worker_attempt=1, beat_age=STALE - 1),
        "running",
    ),
    "a worker elsewhere whose heart stopped is lost": (
        Signs(attempt=1, worker_attempt=1, beat_age=STALE + 1),
        "lost",
    ),
    "a killed worker is lost": (Signs(attempt=1, worker_attempt=1, worker="gone"), "lost"),
    "a worker started by hand runs": (Signs(worker_attempt=0, worker="alive"), "running"),
    "a request to cancel shows at once": (
        Signs(attempt=1, worker_attempt=1, worker="alive", request="cancel"),
        "cancelling",
    ),
    "a cancelled start shows too": (
        Signs(attempt=1, launched="alive", request="cancel"),
        "cancelling",
    ),
    "cancelled before it started": (Signs(request="cancel"), "cancelled"),
    "killed after a request is cancelled": (
        Signs(attempt=1, worker_attempt=1, worker="gone", request="cancel"),
        "cancelled",
    ),
    "the worker's last word counts": (
        Signs(attempt=1, worker_attempt=1, worker="gone", outcome="failed"),
        "failed",
    ),
    "a last word counts at once, from anywhere": (
        Signs(attempt=1, worker_attempt=1, outcome="cancelled"),
        "cancelled",
    ),
    "the last word of the worker before does not count": (
        Signs(attempt=2, worker_attempt=1, launched="alive", worker="gone", outcome="failed"),
        "waiting",
    ),
    "a request to pause shows at once": (
        Signs(attempt=1, worker_attempt=1, worker="alive", request="pause"),
        "pausing",
    ),
    "a worker that paused has said so": (
        Signs(attempt=1, worker_attempt=1, worker="gone", outcome="paused", request="pause"),
        "paused",
    ),
    "killed before it could pause is lost": (
        Signs(attempt=1, worker_attempt=1, worker="gone", request="pause"),
        "lost",
    ),
    "paused before it started": (Signs(request="pause"), "paused"),
    "laid out and never started is lost": (Signs(launch_age=PATIENCE + 1), "lost"),
    "in line": (Signs(queued=True), "queued"),
    "in line for long": (Signs(queued=True, launch_age=PATIENCE * 99), "queued"),
    "in line again, after a pause": (
        Signs(attempt=1, worker_attempt=1, worker="gone", outcome="paused", queued=True),
        "queued",
    ),
    "a result is final": (Signs(finished=True, worker="gone", request="cancel"), "finished"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_signs_add_up_to_one_state(case):
    signs, state = CASES[case]
    assert state_of(signs) == state


def test_only_a_run_that_is_over_can_be_resumed():
    assert RESUMABLE < OVER
    assert "finished" not in RESUMABLE


PLACES = {
    "nobody is in line": (None, None, False),
    "a run that was never started": ({"order": 1.0, "time": 5.0}, None, True),
    "a start after it got into line": ({"time": 5.0}, {"attempt": 1, "time": 6.0}, False),
    "in line after a start": ({"time": 5.0}, {"attempt": 1, "time": 4.0}, True),
    "attempts count more than clocks": ({"time": 5, "attempt": 1}, {"attempt": 1, "time": 9}, True),
    "started since": ({"time": 5, "attempt": 1}, {"attempt": 2, "time": 1}, False),
}


@pytest.mark.parametrize("case", PLACES)
def test_a_place_in_line_counts_until_the_run_is_started(case):
    queued, launch, counts = PLACES[case]
    assert is_queued(queued, launch) is counts
