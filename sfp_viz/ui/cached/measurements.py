"""Measurements made on a click, found again after a reload: of the same plan and images alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import streamlit as st

from sfp_viz.core.comparison.tradeoff import Kind
from sfp_viz.core.measurement import Measured
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.runs.results import measurements
from sfp_viz.runs.results.measurements import MeasurementKey, SavedMeasurement
from sfp_viz.ui.cached import loaders, planned

_KEY = "measured"  # session_state: what was measured here, also where no file can be written


@dataclass(frozen=True)
class Subject:
    """What is pruned, measured and trained: ``request`` on the network ``model``, with the images
    ``data`` ('' for none) for calibration and training, as the plan or as a baseline."""

    model: str
    request: Request
    data: str = ""
    kind: Kind = "plan"

    @property
    def recipe(self) -> Recipe:
        return self.request.recipe

    @property
    def edits(self) -> Edits:
        return self.request.edits


def keep(what: str, subject: Subject, value: Any) -> None:
    """Keep ``value``, a JSON value measured just now of the plan and images of ``subject``."""
    of = _of(what, subject)
    here = st.session_state.setdefault(_KEY, {})
    here[of] = measurements.save_measurement(loaders.home(), of, value)


def find(what: str, subject: Subject) -> SavedMeasurement | None:
    """What was measured of exactly this plan and these images; None where nothing was."""
    if not has_any(what, subject.model):  # so no filters have to be chosen for an empty page
        return None
    of = _of(what, subject)
    if not of.plan:
        return None
    found = measurements.find_measurement(loaders.home(), of) or st.session_state.get(_KEY, {}).get(
        of
    )
    return found or measurements.find_measurement(loaders.home(), _of_version_1(of, subject))


def has_any(what: str, model: str) -> bool:
    """Whether something of this kind was measured of the network, by any plan."""
    digest = loaders.digest(model)
    here = st.session_state.get(_KEY, {})
    return any(
        (of.what, of.digest) == (what, digest) for of in here
    ) or measurements.has_measurement(loaders.home(), what, digest)


def when(kept: SavedMeasurement) -> str:
    """When it was measured, in words: 'Measured today at 14:33.'"""
    then = datetime.fromtimestamp(kept.time)
    day = "today at" if then.date() == datetime.now().date() else then.strftime("%d %b %Y,")
    return f"Measured {day} {then:%H:%M}."


def measured_of(value: Any) -> Measured | None:
    """A Measured from its JSON; None for null. TypeError for what is none."""
    if value is None:
        return None
    pairs = ("interval", "latency_iqr_ms")
    return Measured(**{**value, **{name: tuple(value[name]) for name in pairs if value.get(name)}})


def _of_version_1(of: MeasurementKey, subject: Subject) -> MeasurementKey:
    """The same measurement as version 0.1 named it."""
    return replace(of, plan=planned.plan(subject.model, subject.request).version_1_hash)


def _of(what: str, subject: Subject) -> MeasurementKey:
    plan = planned.hash_or_none(subject.model, subject.request)
    return MeasurementKey(what, loaders.digest(subject.model), plan, subject.data)
