"""What finished studies found out about a network, cached and shared: read, never written to.

No torch here. ``studies`` and ``version`` are parts of cache keys: they change with each study.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from sfp_viz.core.evidence.evidence import Evidence, needs
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import SfpError
from sfp_viz.ui.cached import loaders

if TYPE_CHECKING:
    from sfp_viz.core.comparison.trust import Trust


_RESULTS = ("sensitivity.json", "latency.json", "observations.safetensors", "trust.json")


def evidence(key: str) -> Evidence:
    """The evidence of the network from finished studies; a kind that was not measured is None."""
    return _evidence(str(loaders.home()), loaders.digest(key), studies(loaders.home()))[0]


def evidence_problem(key: str) -> str:
    """Why the evidence cannot be read; '' if it can."""
    return _evidence(str(loaders.home()), loaders.digest(key), studies(loaders.home()))[1]


@st.cache_resource(max_entries=32, show_spinner=False)
def _evidence(home: str, weights: str, version: tuple) -> tuple[Evidence, str]:
    from sfp_viz.runs.results.evidence import find_evidence

    try:
        return find_evidence(Path(home), weights), ""
    except SfpError as problem:
        return Evidence(), str(problem)


def losses(key: str) -> dict[str, np.ndarray]:
    """Points of accuracy lost by pruning m units of a group, by group: float [units], estimated
    from the measured sensitivity; {} without one.
    """
    return _losses(str(loaders.home()), key, studies(loaders.home()))


@st.cache_resource(max_entries=32, show_spinner=False)
def _losses(home: str, key: str, version: tuple) -> dict[str, np.ndarray]:
    from sfp_viz.core.evidence.sensitivity import losses as curve

    sensitivity = evidence(key).sensitivity
    return {name: curve(sensitivity, name) for name in sensitivity.right} if sensitivity else {}


def signal_lost(key: str) -> dict[str, np.ndarray]:
    """Share of the disturbed stream that is lost by pruning m units of a group, after the best
    refit, by group: float [units], computed from the image evidence; {} without any.
    """
    return _signal_lost(str(loaders.home()), key, studies(loaders.home()))


@st.cache_resource(max_entries=32, show_spinner=False)
def _signal_lost(home: str, key: str, version: tuple) -> dict[str, np.ndarray]:
    from sfp_viz.core.allocation.damage_curves import energy

    observations = evidence(key).observations
    names = observations.covariance if observations else ()
    return {
        n: energy(observations, n) * np.array(observations.elimination(n).errors)
        for n in names
        if observations
    }


def trust(key: str) -> Trust | None:
    """The newest measured test of the suggestion for the network; None if there is none.

    Raises:
        SfpError: Its file is damaged.
    """
    return _trust(str(loaders.home()), loaders.digest(key), studies(loaders.home()))


@st.cache_resource(max_entries=32, show_spinner=False)
def _trust(home: str, weights: str, version: tuple) -> Trust | None:
    from sfp_viz.runs.results.evidence import find_trust

    return find_trust(Path(home), weights)


def studies(home: Path) -> tuple[tuple[str, int], ...]:
    """The result files of finished studies in the workspace ``place`` with their times: a part of
    cache keys that changes with each study.
    """
    results = []
    try:
        folders = [entry.path for entry in os.scandir(home / "runs")]
    except OSError:
        return ()
    for path in folders:
        for name in _RESULTS:
            try:
                os.stat(f"{path}/{name}")
                written = os.stat(f"{path}/result.json").st_mtime_ns
            except OSError:
                continue
            results.append((f"{path}/{name}", written))
    return tuple(sorted(results))


def version(recipe: Recipe) -> tuple:
    """What results of ``recipe`` depend on besides the weights: a part of cache keys."""
    return studies(loaders.home()) if needs(recipe) else ()
