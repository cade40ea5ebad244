"""The process that measures latencies: ``python -m sfp_viz.runs.work.latencies HOME``.

It takes what ``latencies.start_timing`` wrote down, one network after the other, and adds a line
for each. It has the processor to itself as far as the machine lets it: nothing else of ours runs
in it. What cannot be read is passed over, and said at the end.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from sfp_viz.errors import SfpError
from sfp_viz.runs.results.latencies import (
    TODO,
    RunLatency,
    TimingRequest,
    append_latency,
    write_job,
)
from sfp_viz.runs.storage.json_record import load_record
from sfp_viz.runs.storage.processes import hostname

_WARM = 2  # networks measured for nothing before the first one counts


def main(home: Path) -> None:
    """Measure all that is to be measured."""
    request = load_record(TimingRequest, home / TODO) or TimingRequest()
    batch, threads = request.batch, request.threads
    job = {"pid": os.getpid(), "total": len(request.subjects)}
    failed: list[str] = []
    write_job(home, **job, done=0)
    for done, (name, ended, file) in enumerate(request.subjects):
        try:
            latency = measure(name, ended, Path(file), batch, threads, warmups=0 if done else _WARM)
            append_latency(home, latency)
        except (SfpError, OSError, RuntimeError) as problem:
            failed.append(f"{name}: {problem}")
        write_job(home, **job, done=done + 1)
    words = f"{len(failed)} could not be measured, the first is {failed[0]}" if failed else ""
    write_job(home, **job, done=len(request.subjects), message=words, over=True)


def measure(
    name: str, ended: float, file: Path, batch: int, threads: int, *, warmups: int = 0
) -> RunLatency:
    """The latency of one network on the CPU.

    Args:
        name: What is measured: the id of a run, or 'whole:' and a digest.
        ended: When its run ended, in seconds since 1970.
        file: The network.
        batch: Images per forward pass.
        threads: CPU threads.
        warmups: Measurements before the one that counts.
    """
    from sfp_viz.nets.evaluation.measure import measure_latency
    from sfp_viz.nets.stripes.striped_file import load_striped
    from sfp_viz.nets.training.reproducibility import numerics

    machine = numerics(threads)  # sets them
    model = load_striped(file)  # as it is kept: layers that skip stripes do so
    for _ in range(warmups):
        measure_latency(model, batch=batch)
    timing = measure_latency(model, batch=batch)
    return RunLatency(
        subject=name, ended=ended, device=timing.device, threads=timing.threads, batch=batch,
        host=hostname(), ms=timing.latency_ms or 0.0, iqr=timing.latency_iqr_ms or (0.0, 0.0),
        repeats=timing.repeats, torch=machine["torch"], at=time.time(),
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
