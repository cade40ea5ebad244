"""Which Ray cluster a workspace uses."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from sfp_viz.errors import RunError
from sfp_viz.runs.ray import jobs
from sfp_viz.runs.storage.workspace import change_settings, section

VARIABLE = "SFP_VIZ_RAY"


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster: the ``address`` of its dashboard, and what a job gets of a node for each
    process of its run: CPUs, which are also the threads, and GPUs (parts of one are allowed)."""

    address: str
    cpus: float = 1.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", jobs.dashboard(self.address))
        if not (0 < self.cpus <= 4096 and 0 <= self.gpus <= 64):
            raise RunError(
                f"A job needs CPUs above 0 and GPUs of 0 or more, not {self.cpus} and {self.gpus}."
            )


def read_cluster(home: Path) -> Cluster | None:
    """The cluster of the workspace ``home``: ``SFP_VIZ_RAY`` names its address, else the settings
    do; None without any. Raises RunError when what is set makes no sense."""
    saved = section(home, "cluster")
    values = {f.name: saved[f.name] for f in fields(Cluster) if f.name in saved}
    if address := os.environ.get(VARIABLE, "").strip():
        values["address"] = address
    if not values.get("address"):
        return None
    try:
        return Cluster(**values)
    except (TypeError, AttributeError) as problem:
        raise RunError(f"The cluster in {home / 'settings.json'} is not readable.") from problem


def is_own_cluster(path: Path, address: str) -> bool:
    """Whether an address is that of the workspace's own cluster; no other gets the token.

    Args:
        path: The folder of a run in the workspace.
        address: The address that the folder names.
    """
    try:
        cluster = read_cluster(path.resolve().parent.parent)
        return cluster is not None and cluster.address == jobs.dashboard(address)
    except (RunError, OSError):
        return False


def set_cluster(home: Path, cluster: Cluster | None) -> None:
    """Set the cluster of a workspace.

    Args:
        home: The workspace.
        cluster: The cluster; None unsets it.
    """
    change_settings(home, {"cluster": asdict(cluster) if cluster else None})
