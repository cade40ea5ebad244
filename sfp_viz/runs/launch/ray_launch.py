"""Runs on a Ray cluster: the same worker line, as a job that starts where a node has room.

All nodes see one workspace, perhaps at different paths: the job names its run by the id, and each
node finds the workspace by its own ``SFP_VIZ_HOME``, and images by its own ``SFP_VIZ_DATA``.
"""

from __future__ import annotations

import secrets
import shlex
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from sfp_viz.errors import RunError
from sfp_viz.files import file_lock, read_json, write_json
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.liveness import QUEUED, REQUEST, WORKER
from sfp_viz.runs.ray import jobs
from sfp_viz.runs.ray.settings import VARIABLE, Cluster, is_own_cluster, read_cluster
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.state import RESUMABLE

WHERE = "ray"  # in launch.json
_SHELL = 'exec "${SFP_VIZ_PYTHON:-python}" -m'  # no shell stays between Ray and the worker


def submit(path: Path) -> str:
    """Start, or resume, the run in ``path`` on the cluster; returns the name of the job.

    It stands in the cluster's line until a node has room. Raises RunError when no cluster is set
    or it does not answer, and when the run is finished, at work, or not in the workspace.
    """
    path = path.resolve()
    with file_lock(path / "launch.lock"):  # two pages may press the same button
        run = read_run(path)
        earlier = read_json(path / "launch.json")
        chosen = _may_start(run, earlier)
        stop(path)  # the job of an earlier start, which a run that seemed lost may still have
        attempt = int((earlier or {}).get("attempt", 0)) + 1
        job = f"sfp-viz-{path.name}-{attempt}-{secrets.token_hex(3)}"
        launch = {"attempt": attempt, "where": WHERE, "address": chosen.address}
        (path / REQUEST).unlink(missing_ok=True)
        write_json(path / "launch.json", {**launch, "time": time.time()})  # before it starts
        processes = run.settings.processes if run.study is None else 1
        try:
            jobs.submit(
                chosen.address,
                job,
                worker_command(path.name, attempt, chosen),
                cpus=chosen.cpus * processes,
                gpus=chosen.gpus * processes,
                run=path.name,
            )
        except RunError:  # as it was before
            if earlier is None:
                (path / "launch.json").unlink()
            else:
                write_json(path / "launch.json", earlier)
            raise
        write_json(path / "launch.json", {**launch, "time": time.time(), "job": job})
        (path / QUEUED).unlink(missing_ok=True)
    return job


def worker_command(run: str, attempt: int, chosen: Cluster) -> str:
    """The shell command of a job: the worker, for a run of the node's own workspace. It knows the
    cluster too, unless the node has been told of it: a sweep hands its trainings on."""
    known = f'[ -n "${VARIABLE}" ] || export {VARIABLE}={shlex.quote(chosen.address)}; '
    return f"{known}{_SHELL} {WORKER} --attempt {attempt} --run {shlex.quote(run)}"


def is_on_ray(path: Path) -> bool:
    """Whether the run in ``path`` was started last on a cluster."""
    return (read_json(path / "launch.json") or {}).get("where") == WHERE


def stop(path: Path) -> bool:
    """End the job of the run in ``path`` by force; False when the cluster does not answer. One
    that is over, or a run that is not on a cluster, is left as it is."""
    launch = read_json(path / "launch.json") or {}
    try:
        if launch.get("where") == WHERE and launch.get("job"):
            address = str(launch.get("address"))
            jobs.stop(address, str(launch["job"]), is_own_cluster(path, address))
    except RunError:
        return False
    return True


def withdraw_job(path: Path) -> bool:
    """Take the run in ``path`` out of the cluster's line; False when it has begun, or is over, or
    the cluster does not answer. The run is then as if that start had not been asked for."""
    launch = read_json(path / "launch.json") or {}
    if launch.get("where") != WHERE or not launch.get("job"):
        return False
    address, job = str(launch.get("address")), str(launch["job"])
    own = is_own_cluster(path, address)
    with file_lock(path / "launch.lock"), suppress(RunError):
        waits = jobs.status(address, job, own).status == "PENDING"
        if not waits or read_json(path / "launch.json") != launch:
            return False
        jobs.stop(address, job, own)
        before = int(launch["attempt"]) - 1
        if before < 1:
            (path / "launch.json").unlink()
        else:  # a worker of the start that was withdrawn sees that it is not wanted
            write_json(path / "launch.json", {**launch, "attempt": before, "job": ""})
        return True
    return False


def logs(path: Path) -> str:
    """What Ray wrote down of the job of the run in ``path``; what the worker says is in log.txt."""
    launch = read_json(path / "launch.json") or {}
    address = str(launch.get("address"))
    return jobs.logs(address, str(launch.get("job")), is_own_cluster(path, address))


def _may_start(run: Run, launched: Mapping[str, Any] | None) -> Cluster:
    if run.path.parent.name != "runs":
        raise RunError(
            f"The run '{run.id}' lies in {run.path.parent}, where the nodes of a cluster cannot "
            "find it. Runs of a cluster must lie in the workspace."
        )
    chosen = read_cluster(run.path.parent.parent)
    if chosen is None:
        raise RunError("No cluster is set. Name one: sfp-viz cluster set http://node1:8265")
    if run.state == "finished":
        raise RunError(f"The run '{run.id}' is finished; there is nothing left to do.")
    fresh = run.state in ("waiting", "queued") and launched is None
    if not (run.state in RESUMABLE or run.state == "queued" or fresh):
        raise RunError(f"The run '{run.id}' is {run.state} already.")
    return chosen
