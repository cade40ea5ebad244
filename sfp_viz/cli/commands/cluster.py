"""Commands about the cluster that runs may work on: cluster set, show, logs, forget."""

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
    """A Ray cluster for runs: name it once, then start runs on it.

    All its nodes must see this workspace (SFP_VIZ_HOME), perhaps at paths of their own.
    docs/cluster.md says how to set one up.
    """


@cluster.command("set")
@click.argument("address")
@click.option("--cpus", default=1.0, show_default=True,
              help="CPUs that a run gets; also its threads.")  # fmt: skip
@click.option("--gpus", default=0.0, show_default=True,
              help="GPUs that a run gets; 0.5 lets two runs share one.")  # fmt: skip
@with_json
def set_command(address: str, cpus: float, gpus: float, as_json: bool) -> None:
    """Keep the cluster whose Ray dashboard is at ADDRESS, such as http://node1:8265.

    It must answer. With --cpus and --gpus you say what each process of a run gets of a node.
    """
    chosen = settings.Cluster(address, cpus, gpus)
    version = jobs.version(chosen.address)
    settings.set_cluster(home(), chosen)
    text = f"Ray {version} answers at {chosen.address}. Runs can be started there: --where cluster."
    print_result({**asdict(chosen), "ray": version}, text, as_json=as_json)


@cluster.command("show")
@with_json
def show_command(as_json: bool) -> None:
    """The cluster of this workspace, and whether it answers."""
    chosen = settings.read_cluster(home())
    if chosen is None:
        print_result(
            None, "No cluster is set. Name one: sfp-viz cluster set ADDRESS", as_json=as_json
        )
        return
    trouble, version = "", None
    try:
        version = jobs.version(chosen.address)
    except RunError as problem:
        trouble = str(problem)
    lines: list[tuple[str, Any]] = [
        ("cluster", chosen.address),
        ("CPUs, GPUs a process", f"{chosen.cpus:g}, {chosen.gpus:g}"),
        ("workspace", home()),
        ("answers", f"Ray {version}" if version else trouble),
    ]
    said = {**asdict(chosen), "ray": version, "message": trouble}
    print_result(said, fact_list(lines), as_json=as_json)


@cluster.command("logs")
@click.argument("run")
@with_json
def logs_command(run: str, as_json: bool) -> None:
    """What Ray wrote down of the job of RUN: why it did not start, for example.

    What its worker says is in log.txt in the folder of the run.
    """
    path = find_run(home(), run)
    if not clusters.is_on_ray(path):
        raise RunError(f"'{path.name}' does not work on the cluster. Its words: {path}/log.txt")
    text = clusters.logs(path)
    print_result({"run": path.name, "logs": text}, text.rstrip() or "Ray has no words of it yet.",
        as_json=as_json)  # fmt: skip


@cluster.command("forget")
@with_json
def forget_command(as_json: bool) -> None:
    """Forget the cluster of this workspace; its runs stay as they are."""
    settings.set_cluster(home(), None)
    given = settings.read_cluster(home())
    text = "No cluster is set any more."
    if given:
        text = f"The settings name none any more, but {settings.VARIABLE} still does."
    print_result(asdict(given) if given else None, text, as_json=as_json)
