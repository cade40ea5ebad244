"""A warm process that forks workers: a worker starts in milliseconds, with torch already loaded.

Tests start workers with ``ForkServer.start`` in place of ``processes.start_process``.
A forked worker is like a new one: a session of its own, its own environment, folder and output,
and its own command line, by which the app finds it. Only where there is no ``/proc`` a new process
is started. ``python fork_server.py SOCKET PADDING`` is the warm process; it ends when its standard
input does.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO

import psutil

from sfp_viz.runs.storage import processes

ROOT = Path(__file__).resolve().parent.parent
SOCKET = "SFP_VIZ_TESTS_FORK_SERVER"  # in the environment of an app under test: where to ask
STATUS = "SFP_VIZ_TESTS_STATUS"  # in an environment: print the exit status as the last line
ROOM = 4000  # bytes of the warm process's command line, which a worker overwrites with its own
# What workers import, besides the worker itself, which runs as __main__.
WARM = (
    "torch", "torch._dynamo", "torch.utils.flop_counter", "safetensors.torch", "lightning_fabric",
    "sklearn.datasets", "sfp_viz.runs.resume",
    *(f"sfp_viz.runs.work.{name}" for name in ("steps", "sweep", "sparsify", "study", "spread")),
    "sfp_viz.runs.mirror.mirror", "sfp_viz.runs.work.ray_node",
    *(f"sfp_viz.nets.{name}" for name in (
        "evaluation.layer_latency", "evaluation.measure", "evaluation.observe",
        "evaluation.one_shot", "io.model_file", "io.observation_file", "pruning.prune",
        "sparsity.sparse_training", "stripes.striped_file", "stripes.striped_model",
        "tracing.read_network", "training.checkpoint", "training.distill", "training.distributed",
        "zoo.build",
    )),
)  # fmt: skip


class ForkServer:
    """Starts workers as forks of one warm process, which starts at the first of them."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="fork-server-"))
        self._server: subprocess.Popen[bytes] | None = None

    def start(
        self,
        command: Sequence[str],
        *,
        output: IO[bytes] | int,
        environment: Mapping[str, str] | None = None,
    ) -> int:
        """As ``processes.start_process``: returns the number of the new process."""
        if not Path("/proc/self/stat").exists():
            return processes.start_process(command, output=output, environment=environment)
        return fork(self.address(), command, output=output, environment=environment)

    def address(self) -> Path:
        """The socket of the warm process, which is started if there is none."""
        if self._server is None:
            words = [sys.executable, __file__, str(self._folder / "socket"), "x" * ROOM]
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
            self._server = subprocess.Popen(words, stdin=subprocess.PIPE, env=environment)
        until = time.monotonic() + 120
        while not (self._folder / "socket").exists():
            assert self._server.poll() is None, "the fork server ended before it answered"
            assert time.monotonic() < until, "the fork server did not answer within two minutes"
            time.sleep(0.02)
        return self._folder / "socket"

    def run(self, *command: str) -> str:
        """Run a command to its end as a fork; returns what it printed. It must end well."""
        with (self._folder / "output").open("w+b") as output:
            number = self.start(command, output=output, environment={STATUS: "1"})
            while psutil.pid_exists(number):
                time.sleep(0.02)
            output.seek(0)
            text, _, status = output.read().decode().rpartition("\n")
        assert status == "0", text
        return text

    def stop(self) -> None:
        """End the warm process; workers live on."""
        if self._server is not None:
            self._server.communicate()
        shutil.rmtree(self._folder)


def fork(
    address: Path,
    command: Sequence[str],
    *,
    output: IO[bytes] | int,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Ask the warm process at ``address`` for a fork that runs ``command`` (python -m or -c)."""
    request = {
        "command": list(command),
        "environment": {**os.environ, **(environment or {})},
        "folder": os.getcwd(),
    }
    number = output if isinstance(output, int) else output.fileno()
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(str(address))
        socket.send_fds(asked, [b"\n"], [number])
        asked.sendall(json.dumps(request).encode() + b"\n")
        with asked.makefile() as answer:
            return int(answer.readline())


def serve(address: str) -> None:
    """Fork for whoever asks at the socket ``address``, until standard input ends."""
    for name in WARM:
        import_module(name)
    from sfp_viz.runs import queue
    from sfp_viz.runs.launch import process

    gc.freeze()  # a fork copies only what it changes
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a worker
    with socket.socket(socket.AF_UNIX) as listening, selectors.DefaultSelector() as ready:
        listening.bind(f"{address}.new")
        listening.listen(64)
        os.rename(f"{address}.new", address)
        ready.register(listening, selectors.EVENT_READ)
        ready.register(sys.stdin, selectors.EVENT_READ)
        while sys.stdin not in [key.fileobj for key, _ in ready.select()]:
            asked, _ = listening.accept()
            with asked, asked.makefile("rb") as lines:
                _, (output,), *_ = socket.recv_fds(asked, 1, 1)
                request = json.loads(lines.readline())
                if os.fork() == 0:
                    os.setsid()
                    call_itself(request["command"])
                    asked.sendall(f"{os.getpid()}\n".encode())
                    os.closerange(3, output)
                    for module in (process, queue):  # what it starts is forked too
                        assert module.start_process
                        module.start_process = partial(fork, Path(address))
                    work(output, **request)
                os.close(output)


def work(output: int, command: list[str], environment: dict[str, str], folder: str) -> None:
    """Do what the process would do that ``command`` starts; does not return."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, copy in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(number, copy)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.modules["torch"].set_num_threads(
            int(environment.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
        )
        for place in filter(None, environment.get("PYTHONPATH", "").split(os.pathsep)):
            if (Path(place) / "sitecustomize.py").exists():
                runpy.run_path(f"{place}/sitecustomize.py")
        status = run(command[1:])
    finally:
        if STATUS in environment:
            print(f"\n{status}", end="")
        sys.stdout.flush()
        os._exit(status)


def run(words: list[str]) -> int:
    """The exit status of ``python`` with these words."""
    sys.argv = words[1:] if words[0] in ("-m", "-c") else words
    try:
        if words[0] == "-m":
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        elif words[0] == "-c":
            exec(words[1], {"__name__": "__main__"})
        else:
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def call_itself(command: list[str]) -> None:
    """Make ``/proc/PID/cmdline`` say ``command``: written over the command line of the parent."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    first, *others = (word.encode() + b"\0" for word in command)
    first = first.rjust(end - start - sum(map(len, others)))
    text = first + b"".join(others)
    assert len(text) == end - start, "the command is longer than the room for it"
    ctypes.memmove(start, text, len(text))


if __name__ == "__main__":
    serve(sys.argv[1])
