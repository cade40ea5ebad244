"""A Ray cluster of two nodes on this machine, which see one workspace at different paths."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sfp_viz.errors import RunError
from sfp_viz.runs.ray import jobs
from sfp_viz.runs.storage.processes import ROOT

_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_MEMORY_MONITOR": "1"}


@dataclass
class Nodes:
    """The dashboard's ``address``, the workspace as the app sees it (``home``), and as the nodes
    do: by the number of the process that is the head of each node's group."""

    address: str
    home: Path
    homes: dict[int, Path]

    def of_worker(self, pid: int) -> int:
        """The node on which the process ``pid`` works: told apart by their workspaces."""
        said = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
        home = next(word for word in said if word.startswith("SFP_VIZ_HOME=")).partition("=")[2]
        return next(node for node, known in self.homes.items() if str(known) == home)

    def kill(self, node: int) -> None:
        """Take a node away without a word."""
        with suppress(ProcessLookupError):
            os.killpg(node, signal.SIGKILL)


@contextmanager
def two_nodes(folder: Path) -> Iterator[Nodes]:
    """Start both nodes, of one CPU each, and end them with all that belongs to them."""
    shared = folder / "shared"
    shared.mkdir()
    homes = [folder / name / "workspace" for name in ("app", "first", "second")]
    for home in homes:
        home.parent.mkdir()
        home.symlink_to(shared)
    port, dashboard, agent = _ports(3)
    aside = Path(tempfile.mkdtemp(prefix="ray"))  # the paths of its sockets must be short
    address = f"http://127.0.0.1:{dashboard}"
    head = ["--head", f"--port={port}", f"--dashboard-port={dashboard}", f"--temp-dir={aside}"]
    head += ["--dashboard-host=127.0.0.1", "--include-dashboard=true"]
    other = [f"--address=127.0.0.1:{port}", f"--dashboard-agent-listen-port={agent}"]
    started: dict[int, Path] = {}
    try:
        started[_start(head, homes[1], folder / "first.txt")] = homes[1]
        _until(lambda: jobs.version(address))
        started[_start(other, homes[2], folder / "second.txt")] = homes[2]
        _until(lambda: _alive_nodes(address) == 2)
        yield Nodes(address, homes[0], started)
    finally:
        for group in started:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        shutil.rmtree(aside, ignore_errors=True)


def _start(words: list[str], home: Path, log: Path) -> int:
    known = {**os.environ, **_QUIET, "SFP_VIZ_HOME": str(home), "SFP_VIZ_PYTHON": sys.executable}
    known["PYTHONPATH"] = os.pathsep.join([str(ROOT), *os.environ.get("PYTHONPATH", "").split()])
    for name in ("OMP_NUM_THREADS", "RAY_ADDRESS", "SFP_VIZ_RAY"):
        known.pop(name, None)  # Ray gives a job as many threads as CPUs
    line = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *words]
    line += ["--num-cpus=1", "--object-store-memory=80000000", "--node-ip-address=127.0.0.1"]
    with log.open("wb") as output:
        return subprocess.Popen(
            line, stdout=output, stderr=output, env=known, start_new_session=True, cwd=home.parent
        ).pid


def _alive_nodes(address: str) -> int:
    with urllib.request.urlopen(f"{address}/nodes?view=summary", timeout=10) as answer:
        nodes = json.load(answer)["data"]["summary"]
    return sum(node["raylet"].get("state") == "ALIVE" for node in nodes)


def _until(wanted, seconds: float = 180.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(RunError, OSError, ValueError, KeyError):
            if wanted():
                return
        time.sleep(0.5)
    raise AssertionError("Ray did not start in time.")


def _ports(count: int) -> list[int]:
    with_sockets = [socket.socket() for _ in range(count)]
    for one in with_sockets:
        one.bind(("127.0.0.1", 0))
    found = [one.getsockname()[1] for one in with_sockets]
    for one in with_sockets:
        one.close()
    return found
