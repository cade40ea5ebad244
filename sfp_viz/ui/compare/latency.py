"""Latencies on the Compare page: measured on request, with progress, and saved."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.errors import SfpError
from sfp_viz.runs.results.latencies import (
    WHOLE,
    Condition,
    RunLatency,
    cancel_timing,
    latencies_of_runs,
    read_latencies,
    read_timing,
    start_timing,
)
from sfp_viz.runs.results.summary import Summary
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.network import report


def measured_latencies(
    runs: Sequence[Summary], network: Network
) -> Mapping[Condition, dict[str, RunLatency]]:
    """The measured latencies by condition (device, threads, batch size), then by run id.

    Args:
        runs: The runs whose latencies are read.
        network: Their unpruned network, which is included.
    """
    ids = {WHOLE + network.digest, *(run.id for run in runs)}
    latencies = {
        where: {
            name: latency for name, latency in latencies_of_runs(timed, runs).items() if name in ids
        }
        for where, timed in read_latencies(loaders.home()).items()
    }
    return {where: timed for where, timed in latencies.items() if timed}


def choose(measured: Mapping[Condition, dict[str, RunLatency]]) -> Condition | None:
    """The condition on the chart, asked if there are several: only latencies that were measured
    under the same one can be compared. None if nothing was measured.

    Args:
        measured: The latencies by condition and run id.
    """
    options = sorted(measured, key=lambda condition: -len(measured[condition]))
    if len(options) < 2:
        return options[0] if options else None
    return st.selectbox(
        "Condition", options, key="latency condition", width=320,
        format_func=lambda condition: f"{condition} ({len(measured[condition])})",
    )  # fmt: skip


def panel(runs: Sequence[Summary], network: Network, timed: Mapping[str, RunLatency]) -> None:
    """Draw the form that measures missing latencies, or the progress of a measurement.

    Args:
        runs: The runs on the chart.
        network: Their unpruned network.
        timed: The latencies on the chart, by run id.
    """
    timing = read_timing(loaders.home())
    with st.container(border=True):
        if timing is not None and timing.alive:
            _watch()
            return
        if timing is not None and timing.message:
            st.caption(problems.plain(timing.message))
        _form(runs, network, timed)


def _watch() -> None:
    def refresh() -> None:
        timing = read_timing(loaders.home())
        if timing is None or not timing.alive:
            st.rerun()
            return
        share = timing.done / timing.total if timing.total else 0.0
        text = f"Measuring latencies: {timing.done} of {timing.total} networks"
        st.progress(share, text=text)

    st.fragment(refresh, run_every=1.0)()
    st.button("Cancel", key="latency_cancel", on_click=cancel_timing, args=(loaders.home(),))


def _form(runs: Sequence[Summary], network: Network, timed: Mapping[str, RunLatency]) -> None:
    cores = os.cpu_count() or 1
    with st.container(horizontal=True, vertical_alignment="bottom"):
        batch = st.number_input("Batch size", 1, 256, 1, key="latency_batch", width=140)
        threads = st.number_input(
            "Threads", 1, cores, min(cores, 4), key="latency_threads", width=140
        )
        again = st.checkbox("Measure again", key="latency_again")
        todo = _todo(runs, network, {} if again else _alike(timed, int(batch), int(threads)))
        networks = f"{len(todo)} network{'' if len(todo) == 1 else 's'}"
        st.button(
            f"Measure {networks}" if todo else "All measured", key="latency_start",
            disabled=not todo,
            on_click=_start, args=(todo, int(batch), int(threads)),
            icon=":material/timer:",
        )  # fmt: skip
    st.caption(
        "Measured on the CPU of this machine: median of 30 forward passes, one network after the "
        "other. Saved in the workspace with device, threads and batch size. Other load on the "
        "machine makes the latency higher."
    )


def _alike(timed: Mapping[str, RunLatency], batch: int, threads: int) -> Mapping[str, RunLatency]:
    return {
        name: latency
        for name, latency in timed.items()
        if (latency.batch, latency.threads) == (batch, threads)
    }


def _todo(
    runs: Sequence[Summary], network: Network, timed: Mapping[str, RunLatency]
) -> list[tuple[str, float, Path]]:
    """The unpruned network and the runs with a trained network that are not in ``timed``."""
    todo: list[tuple[str, float, Path]] = []
    if WHOLE + network.digest not in timed:
        with suppress(SfpError):  # the network was removed, its runs were not
            todo.append((WHOLE + network.digest, 0.0, _file()))
    todo += [
        (run.id, run.ended, run.path / "student.safetensors") for run in runs
        if run.id not in timed and (run.path / "student.safetensors").is_file()
    ]  # fmt: skip
    return todo


def _file() -> Path:
    from sfp_viz.ui.session import state

    return Path(report.path_of(state.session().model)).absolute()


def _start(todo: Sequence[tuple[str, float, Path]], batch: int, threads: int) -> None:
    try:
        start_timing(loaders.home(), todo, batch=batch, threads=threads)
    except (SfpError, OSError) as problem:
        st.toast(problems.plain(str(problem)), icon=":material/error:")
