"""All trainings of a sweep at once: stopped together, and put back in the queue."""

from __future__ import annotations

from sfp_viz.runs import queue
from sfp_viz.runs.launch import process
from sfp_viz.runs.results.sweeps import sweep_children
from sfp_viz.runs.storage.records import Run


def stop_children(run: Run) -> int:
    """Take the queued children of a sweep out of the queue and ask those that run to stop; returns
    how many. They can be resumed one by one."""
    stopped = 0
    for child in sweep_children(run):
        if child.run is None or child.run.over:
            continue
        if child.run.state == "queued":
            queue.withdraw(child.run.path)
        else:
            process.request_cancel(child.run.path)
        stopped += 1
    return stopped


def lost_children(run: Run) -> tuple[Run, ...]:
    """Children whose worker is gone, could not be started, or never was; in order."""
    return tuple(
        child.run for child in sweep_children(run) if child.run and child.run.state == "lost"
    )


def put_back(run: Run) -> int:
    """Put the lost children of a sweep back in the queue, in their order, and return how many; they
    continue from their last checkpoints. Children that a person stopped, or that failed (they would
    again), are left alone. Raises RunError where the queue cannot be changed."""
    lost = lost_children(run)
    for child in lost:
        where = child.launch.where if child.launch.attempt else run.launch.where
        queue.enqueue(child.path, where=where)
    return len(lost)


def put_back_text(run: Run, back: int) -> str:
    """Which trainings of a sweep are back in the queue and which are not, in sentences; '' for
    nothing.

    Args:
        run: The sweep.
        back: How many were put back.
    """
    states = [child.run.state for child in sweep_children(run) if child.run]
    stopped = states.count("cancelled") + states.count("paused")
    sentences = []
    if back:
        sentences.append(f"{_count(back)} back in the queue.")
    if stopped:
        sentences.append(f"{_count(stopped)} stopped by hand and {_left(stopped)} alone.")
    if failed := states.count("failed"):
        have = "has" if failed == 1 else "have"
        sentences.append(f"{_count(failed, have)} failed and {_left(failed)} alone.")
    if stopped or failed:
        sentences.append("Resume them one by one.")
    return " ".join(sentences)


def _count(number: int, verb: str = "") -> str:
    single = number == 1
    return f"{number} training{'' if single else 's'} {verb or ('is' if single else 'are')}"


def _left(number: int) -> str:
    return "was left" if number == 1 else "were left"
