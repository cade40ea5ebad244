"""Works on run folders and dies on the way. ``python killing.py FOLDER=MOMENT ...``

A moment is the n-th time that the worker makes something lasting: a file takes its name, or a line
lies on the disk. The process that works is killed with SIGKILL just before it; then another one
works to the end. Moment 0 kills nobody, and prints how many moments there were.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fork_server import ForkServer


def killed(server: ForkServer, paths: dict[Path, int]) -> list[str]:
    """What this script says of working on ``paths``, each killed at its moment."""
    words = [f"{path}={moment}" for path, moment in paths.items()]
    return server.run(sys.executable, __file__, *words).splitlines()


def main() -> None:
    import torch

    torch.set_num_threads(1)
    for word in sys.argv[1:]:
        folder, _, moment = word.rpartition("=")
        if int(moment):
            died = attempt(folder, int(moment))
            print(f"{moment} {'died' if died else 'lived'}", flush=True)
        if not int(moment) or died:
            assert not attempt(folder, 0), folder


def attempt(folder: str, moment: int) -> bool:
    """Work on ``folder`` in a process of its own; returns whether it was killed."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = work(folder, moment)
        finally:
            sys.stdout.flush()
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True
    assert os.WEXITSTATUS(status) == 0, (folder, moment, status)
    return False


def work(folder: str, moment: int) -> int:
    from sfp_viz.runs.worker import main as worker

    seen = 0

    def counted(real):
        def call(*words, **more):
            nonlocal seen
            if threading.current_thread() is threading.main_thread():
                seen += 1
                if seen == moment:
                    os.kill(os.getpid(), signal.SIGKILL)
            return real(*words, **more)

        return call

    os.replace, os.fsync = counted(os.replace), counted(os.fsync)
    status = worker([folder])
    print(f"moments {seen}", flush=True)
    return status


if __name__ == "__main__":
    main()
