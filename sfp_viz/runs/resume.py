"""Resume a run: on this machine, in the queue, on a cluster, or all of a sweep."""

from __future__ import annotations

from pathlib import Path

from sfp_viz.errors import RunError
from sfp_viz.runs.folder import SWEEP, TRAININGS, read_run
from sfp_viz.runs.launch import ray_launch
from sfp_viz.runs.launch.process import launch
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.state import RESUMABLE


def resume(path: Path) -> Run:
    """Go on from the last checkpoint of a run that was stopped, where it ran before; returns the
    run as it is then. A training is the next in line, and starts at once where a place is free.

    A sweep puts those of its trainings back in line whose workers are gone or never started, also
    when it is finished itself. Raises RunError when the run is not stopped, or no worker can be
    started.
    """
    run = read_run(path)
    if run.kind == SWEEP:
        back = _put_back(run)
        if run.state == "finished" and back:
            return run
        if run.state == "finished":
            raise RunError(
                f"The sweep '{run.id}' is finished, and none of its trainings lost its worker. "
                "Resume a training that was stopped or failed by itself."
            )
    if run.state not in RESUMABLE:
        raise RunError(f"The run '{run.id}' is {run.state}; only a stopped one can be resumed.")
    if run.kind in TRAININGS:
        from sfp_viz.runs import queue  # it starts workers with our launch

        return queue.enqueue(path, front=True)
    if ray_launch.is_on_ray(path):
        ray_launch.submit(path)
    else:
        launch(path)
    return read_run(path)


def _put_back(run: Run) -> int:
    from sfp_viz.runs.sweep_control import put_back  # it puts runs in line, as we do

    return put_back(run)
