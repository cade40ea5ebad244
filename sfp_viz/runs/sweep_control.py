"""Steering all trainings of a sweep at once: stopped together, and put back in line."""

from __future__ import annotations

from sfp_viz.runs.results.sweeps import sweep_children
from sfp_viz.runs.storage.records import Run


def stop_children(run: Run) -> int:
    """Take the waiting children of a sweep out of the line and ask those at work to stop; returns
    how many. They can be resumed one by one."""
    from sfp_viz.runs import queue
    from sfp_viz.runs.launch import process

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
    """Put the lost children of a sweep back in line, in their order, and return how many; they go
    on from their last checkpoints. Those that a person stopped, and those that failed (they would
    again), stay as they are. Raises RunError where the line cannot be changed."""
    from sfp_viz.runs import queue

    lost = lost_children(run)
    for child in lost:
        where = child.launch.where if child.launch.attempt else run.launch.where
        queue.enqueue(child.path, where=where)
    return len(lost)


def put_back_text(run: Run, back: int) -> str:
    """That ``back`` children of a sweep were put back in line, and which were not, in sentences;
    '' where there is nothing to say."""
    states = [child.run.state for child in sweep_children(run) if child.run]
    stopped = states.count("cancelled") + states.count("paused")
    parts = []
    if back:
        parts.append(f"{_count(back)} back in line.")
    if stopped:
        parts.append(f"{_count(stopped)} stopped by hand and {_stay(stopped)}.")
    if failed := states.count("failed"):
        have = "has" if failed == 1 else "have"
        parts.append(f"{_count(failed, have)} failed and {_stay(failed)}.")
    if stopped or failed:
        parts.append("Resume such a training by itself.")
    return " ".join(parts)


def _count(number: int, verb: str = "") -> str:
    one = number == 1
    return f"{number} training{'' if one else 's'} {verb or ('is' if one else 'are')}"


def _stay(number: int) -> str:
    return "stays as it is" if number == 1 else "stay as they are"
