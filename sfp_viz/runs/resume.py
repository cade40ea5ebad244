"""Resume a run: on this machine, in the queue, on a cluster, or all of a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sfp_viz.errors import RunError
from sfp_viz.runs import queue
from sfp_viz.runs.folder import SWEEP, TRAININGS, read_run
from sfp_viz.runs.launch import ray_launch
from sfp_viz.runs.launch.process import launch
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.state import RESUMABLE
from sfp_viz.runs.sweep_control import put_back


@dataclass(frozen=True)
class Resumed:
    """A ``run`` as it is after it was resumed, and how many trainings of a sweep were put back in
    the queue."""

    run: Run
    requeued: int = 0


def resume(path: Path) -> Run:
    """``resume_run`` of the run in ``path``; returns the run as it is then."""
    return resume_run(read_run(path)).run


def resume_run(run: Run) -> Resumed:
    """Continue a stopped run from its last checkpoint, where it ran before.

    A training is the next in the queue, and starts at once where a slot is free. A sweep puts those
    of its trainings back in the queue whose workers died or never started, also when it is finished
    itself.

    Args:
        run: The run as it was read.

    Raises:
        RunError: The run is not stopped, or no worker can be started.
    """
    requeued = put_back(run) if run.kind == SWEEP else 0
    if requeued and run.state == "finished":
        return Resumed(run, requeued)
    if run.kind == SWEEP and run.state == "finished":
        raise RunError(
            f"The sweep '{run.id}' is finished, and none of its trainings lost its worker. "
            "Resume single trainings that were stopped or failed."
        )
    if run.state not in RESUMABLE:
        raise RunError(f"The run '{run.id}' is {run.state}; only a stopped run can be resumed.")
    if run.kind in TRAININGS:
        return Resumed(queue.enqueue(run.path, front=True, where=run.launch.where))
    if run.launch.where == "ray":
        ray_launch.submit(run.path)
    else:
        launch(run.path)
    return Resumed(read_run(run.path), requeued)
