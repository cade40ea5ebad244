"""Runs on a Ray cluster: the same worker line, as a job that starts where a node has room.

All nodes see one workspace, perhaps at different paths: the job names its run by the id, and each
node finds the workspace by its own ``SFP_VIZ_HOME``, and images by its own ``SFP_VIZ_DATA``.
"""

from __future__ import annotations

import secrets
import shlex
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sfp_viz.errors import RunError
from sfp_viz.files import file_lock
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.liveness import WORKER
from sfp_viz.runs.ray import jobs
from sfp_viz.runs.ray.settings import VARIABLE, Cluster, is_own_cluster, read_cluster
from sfp_viz.runs.storage.launch_record import (
    LAUNCH,
    LaunchRecord,
    Where,
    leave_queue,
    write_request,
)
from sfp_viz.runs.storage.records import Run, check_startable

WHERE: Where = "ray"  # in launch.json
_SHELL = 'exec "${SFP_VIZ_PYTHON:-python}" -m'  # no shell stays between Ray and the worker


def submit(path: Path) -> str:
    """Start, or resume, the run in ``path`` on the cluster; returns the name of the job.

    It waits in the cluster's queue until a node has room. Raises RunError when no cluster is set
    or it does not answer, and when the run is finished, at work, or not in the workspace.
    """
    path = path.resolve()
    with file_lock(path / "launch.lock"):  # two pages may press the same button
        run = read_run(path)
        cluster = _cluster_for(run)
        stop(path, run.launch)  # the job of an earlier start, which a lost run may still have
        attempt = run.launch.attempt + 1
        job = f"sfp-viz-{path.name}-{attempt}-{secrets.token_hex(3)}"
        launch = LaunchRecord(attempt, WHERE, time.time(), address=cluster.address)
        write_request(path, "")
        launch.save(path)  # before it starts
        processes = run.settings.processes if run.study is None else 1
        try:
            jobs.submit(
                cluster.address,
                job,
                worker_command(path.name, attempt, cluster),
                cpus=cluster.cpus * processes,
                gpus=cluster.gpus * processes,
                run=path.name,
            )
        except RunError:  # as it was before
            if run.launch.attempt:
                run.launch.save(path)
            else:
                (path / LAUNCH).unlink()
            raise
        replace(launch, time=time.time(), job=job).save(path)
        leave_queue(path)
    return job


def worker_command(run: str, attempt: int, cluster: Cluster) -> str:
    """The shell command of a job: a worker for a run of the node's own workspace. It exports the
    address of the cluster unless the node sets one, since a sweep starts its trainings there.

    Args:
        run: The id of the run.
        attempt: The number of this start.
        cluster: The cluster.
    """
    export = f'[ -n "${VARIABLE}" ] || export {VARIABLE}={shlex.quote(cluster.address)}; '
    return f"{export}{_SHELL} {WORKER} --attempt {attempt} --run {shlex.quote(run)}"


def is_on_ray(path: Path) -> bool:
    """Whether the run in ``path`` was started last on a cluster."""
    return LaunchRecord.load(path).where == WHERE


def stop(path: Path, launch: LaunchRecord) -> bool:
    """End the job of a run by force. One that is over, or a run that is not on a cluster, is left
    as it is.

    Args:
        path: The folder of the run.
        launch: Its newest start.

    Returns:
        False when the cluster does not answer.
    """
    try:
        if launch.where == WHERE and launch.job:
            jobs.stop(launch.address, launch.job, is_own_cluster(path, launch.address))
    except RunError:
        return False
    return True


def withdraw_job(path: Path) -> bool:
    """Take the run in ``path`` out of the cluster's queue; False when it has begun, or is over, or
    the cluster does not answer. The run is then as if that start had not been asked for."""
    launch = LaunchRecord.load(path)
    if launch.where != WHERE or not launch.job:
        return False
    address, job = launch.address, launch.job
    token = is_own_cluster(path, address)
    with file_lock(path / "launch.lock"), suppress(RunError):
        waits = jobs.status(address, job, token).status == "PENDING"
        if not waits or LaunchRecord.load(path) != launch:
            return False
        jobs.stop(address, job, token)
        if launch.attempt <= 1:
            (path / LAUNCH).unlink()
        else:  # a worker of the start that was withdrawn sees that it is not wanted
            replace(launch, attempt=launch.attempt - 1, job="").save(path)
        return True
    return False


def logs(path: Path) -> str:
    """What Ray wrote down of the job of the run in ``path``; what the worker says is in log.txt."""
    launch = LaunchRecord.load(path)
    return jobs.logs(launch.address, launch.job, is_own_cluster(path, launch.address))


def _cluster_for(run: Run) -> Cluster:
    """The cluster that ``run`` is to start on. Raises RunError where it may not."""
    if run.path.parent.name != "runs":
        raise RunError(
            f"The run '{run.id}' lies in {run.path.parent}, where the nodes of a cluster cannot "
            "find it. Runs of a cluster must lie in the workspace."
        )
    cluster = read_cluster(run.path.parent.parent)
    if cluster is None:
        raise RunError("No cluster is set. Name one: sfp-viz cluster set http://node1:8265")
    check_startable(run, queued=True)
    return cluster
