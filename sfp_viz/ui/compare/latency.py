"""Latencies on the Compare page: measured on request, watched, cancelled, and kept."""

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


def known(runs: Sequence[Summary], network: Network) -> Mapping[Condition, dict[str, RunLatency]]:
    """What was measured of these runs and their unpruned network, by condition."""
    ids = {WHOLE + network.digest, *(run.id for run in runs)}
    found = {
        where: {name: one for name, one in latencies_of_runs(timed, runs).items() if name in ids}
        for where, timed in read_latencies(loaders.home()).items()
    }
    return {where: timed for where, timed in found.items() if timed}


def choose(measured: Mapping[Condition, dict[str, RunLatency]]) -> Condition | None:
    """Which condition is on the chart: only latencies measured alike stand beside each other."""
    options = sorted(measured, key=lambda where: -len(measured[where]))
    if len(options) < 2:
        return options[0] if options else None
    return st.selectbox(
        "Measured with", options, format_func=lambda where: f"{where} ({len(measured[where])})",
        key="latency condition", width=320,
    )  # fmt: skip


def panel(runs: Sequence[Summary], network: Network, timed: Mapping[str, RunLatency]) -> None:
    """Start measuring what is missing, or watch it being measured."""
    now = read_timing(loaders.home())
    with st.container(border=True):
        if now is not None and now.alive:
            _watch()
            return
        if now is not None and now.message:
            st.caption(problems.plain(now.message))
        _form(runs, network, timed)


def _watch() -> None:
    def look() -> None:
        now = read_timing(loaders.home())
        if now is None or not now.alive:
            st.rerun()
        share = now.done / now.total if now and now.total else 0.0
        st.progress(share, text=f"Measuring latencies: {now.done if now else 0} of "
                    f"{now.total if now else 0} networks, in a process of its own")  # fmt: skip

    st.fragment(look, run_every=1.0)()
    st.button("Cancel", key="latency_cancel", on_click=cancel_timing, args=(loaders.home(),))


def _form(runs: Sequence[Summary], network: Network, timed: Mapping[str, RunLatency]) -> None:
    cores = os.cpu_count() or 1
    with st.container(horizontal=True, vertical_alignment="bottom"):
        batch = st.number_input("Images at once", 1, 256, 1, key="latency_batch", width=140)
        threads = st.number_input(
            "Threads", 1, cores, min(cores, 4), key="latency_threads", width=140
        )
        again = st.checkbox("Also what was measured before", key="latency_again")
        todo = _todo(runs, network, {} if again else _alike(timed, int(batch), int(threads)))
        st.button(
            f"Measure {len(todo)} networks", key="latency_start", disabled=not todo,
            on_click=_start, args=(todo, int(batch), int(threads)),
            icon=":material/timer:",
        )  # fmt: skip
    st.caption(
        "On this machine's CPU: the median of 30 passes, one network after the other. Kept in the "
        "workspace with device, threads and batch. A machine that is busy otherwise reads high."
    )


def _alike(timed: Mapping[str, RunLatency], batch: int, threads: int) -> Mapping[str, RunLatency]:
    return {n: one for n, one in timed.items() if (one.batch, one.threads) == (batch, threads)}


def _todo(
    runs: Sequence[Summary], network: Network, timed: Mapping[str, RunLatency]
) -> list[tuple[str, float, Path]]:
    """The unpruned network and every run with a trained network that were not measured so."""
    todo: list[tuple[str, float, Path]] = []
    if WHOLE + network.digest not in timed:
        with suppress(SfpError):  # the network is gone; its runs are still there
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
