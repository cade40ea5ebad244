"""The state of a run is one pure function of what lies in its folder."""

from __future__ import annotations

import pytest

from sfp_viz.runs.state import OVER, PATIENCE, RESUMABLE, STALE, Signs, state_of

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
        Signs(attempt=1, worker_attempt=1, worker="alive", cancel=True),
        "cancelling",
    ),
    "a cancelled start shows too": (Signs(attempt=1, launched="alive", cancel=True), "cancelling"),
    "cancelled before it started": (Signs(cancel=True), "cancelled"),
    "killed after a request is cancelled": (
        Signs(attempt=1, worker_attempt=1, worker="gone", cancel=True),
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
    "a result is final": (Signs(finished=True, worker="gone", cancel=True), "finished"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_signs_add_up_to_one_state(case):
    signs, state = CASES[case]
    assert state_of(signs) == state


def test_only_a_run_that_is_over_can_be_resumed():
    assert RESUMABLE < OVER
    assert "finished" not in RESUMABLE
