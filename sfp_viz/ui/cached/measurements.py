"""Measurements made on a click, found again after a reload: of the same plan and images alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import streamlit as st

from sfp_viz.core.measurement import Measured
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.runs.results import measurements
from sfp_viz.runs.results.measurements import MeasurementKey, SavedMeasurement
from sfp_viz.ui.cached import loaders, planned

Subject = tuple[str, Recipe, Edits | None, str]  # network, recipe, edits, images
_KEY = "measured"  # session_state: what was measured here, also where no file can be written


def keep(what: str, subject: Subject, value: Any) -> None:
    """Keep ``value``, a JSON value measured just now of the plan and images of ``subject``."""
    of = _of(what, subject)
    here = st.session_state.setdefault(_KEY, {})
    here[of] = measurements.save_measurement(loaders.home(), of, value)


def find(what: str, subject: Subject) -> SavedMeasurement | None:
    """What was measured of exactly this plan and these images; None where nothing was."""
    if not has_any(what, subject[0]):  # so no filters have to be chosen for an empty page
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
    return replace(of, plan=planned.plan(*subject[:3]).version_1_hash)


def _of(what: str, subject: Subject) -> MeasurementKey:
    model, recipe, edits, data = subject
    return MeasurementKey(
        what, loaders.digest(model), planned.hash_or_none(model, recipe, edits), data
    )
