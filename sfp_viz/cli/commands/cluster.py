"""Commands about the Ray cluster for runs: cluster set, show, logs, forget."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from sfp_viz.cli.output.text import fact_list, print_result, with_json
from sfp_viz.errors import RunError
from sfp_viz.runs.folder import find_run, home
from sfp_viz.runs.launch import ray_launch as clusters
from sfp_viz.runs.ray import jobs, settings


@click.group()
def cluster() -> None:
    """Set the Ray cluster on which runs can be started.

    All nodes must see this workspace (SFP_VIZ_HOME), possibly at different paths.
    See docs/cluster.md for the setup.
    """


@cluster.command("set")
@click.argument("address")
@click.option("--cpus", default=1.0, show_default=True,
              help="CPUs, and threads, for each process of a run.")  # fmt: skip
@click.option("--gpus", default=0.0, show_default=True,
              help="GPUs for each process of a run; 0.5 lets two share one.")  # fmt: skip
@with_json
def set_command(address: str, cpus: float, gpus: float, as_json: bool) -> None:
    """Use the cluster with its Ray dashboard at ADDRESS.

    ADDRESS looks like http://node1:8265. The dashboard must answer.
    """
    new_cluster = settings.Cluster(address, cpus, gpus)
    version = jobs.version(new_cluster.address)
    settings.set_cluster(home(), new_cluster)
    text = f"Ray {version} answers at {new_cluster.address}. Start runs there with --where cluster."
    print_result({**asdict(new_cluster), "ray": version}, text, as_json=as_json)


@cluster.command("show")
@with_json
def show_command(as_json: bool) -> None:
    """Show the cluster of this workspace, and whether it answers."""
    current = settings.read_cluster(home())
    if current is None:
        print_result(
            None, "No cluster is set. Set one: sfp-viz cluster set ADDRESS", as_json=as_json
        )
        return
    trouble, version = "", None
    try:
        version = jobs.version(current.address)
    except RunError as problem:
        trouble = str(problem)
    lines: list[tuple[str, Any]] = [
        ("cluster", current.address),
        ("CPUs, GPUs per process", f"{current.cpus:g}, {current.gpus:g}"),
        ("workspace", home()),
        ("answers", f"Ray {version}" if version else trouble),
    ]
    value = {**asdict(current), "ray": version, "message": trouble}
    print_result(value, fact_list(lines), as_json=as_json)


@cluster.command("logs")
@click.argument("run")
@with_json
def logs_command(run: str, as_json: bool) -> None:
    """Show Ray's log of the job of RUN.

    It says, for example, why a job did not start. The log of the worker is log.txt in the folder of
    the run.
    """
    path = find_run(home(), run)
    if not clusters.is_on_ray(path):
        raise RunError(f"'{path.name}' does not run on a cluster. Its log: {path}/log.txt")
    text = clusters.logs(path)
    print_result({"run": path.name, "logs": text}, text.rstrip() or "Ray has no log of it yet.",
        as_json=as_json)  # fmt: skip


@cluster.command("forget")
@with_json
def forget_command(as_json: bool) -> None:
    """Unset the cluster; its runs are not changed."""
    settings.set_cluster(home(), None)
    remaining = settings.read_cluster(home())
    text = "No cluster is set any more."
    if remaining:
        text = f"The cluster was removed from the settings, but {settings.VARIABLE} still sets one."
    print_result(asdict(remaining) if remaining else None, text, as_json=as_json)
