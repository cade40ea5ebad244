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
    """A network to prune, measure and train.

    Attributes:
        model: Name of a sample, or digest of a stored network.
        request: Recipe and edits.
        data: Name of the images for calibration and training, '' for none.
        kind: 'plan', or the baseline that the request is.
    """

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


def save(kind: str, subject: Subject, value: Any) -> None:
    """Save a measurement that was just made of a plan and its images, also for this browser
    session.

    Args:
        kind: Kind of the measurement, such as 'check'.
        subject: The network, the plan and the images that were measured.
        value: The results, a JSON value.
    """
    key = _key(kind, subject)
    unsaved = st.session_state.setdefault(_KEY, {})
    unsaved[key] = measurements.save_measurement(loaders.home(), key, value)


def find(kind: str, subject: Subject) -> SavedMeasurement | None:
    """The measurement of exactly this plan and these images; None if there is none.

    Args:
        kind: Kind of the measurement.
        subject: The network, the request and the images.
    """
    if not has_any(kind, subject.model):  # so no filters have to be chosen for an empty page
        return None
    key = _key(kind, subject)
    if not key.plan:
        return None
    return (
        measurements.find_measurement(loaders.home(), key)
        or st.session_state.get(_KEY, {}).get(key)
        or measurements.find_measurement(loaders.home(), _version_1_key(key, subject))
    )


def has_any(kind: str, model: str) -> bool:
    """Whether there is a measurement of this kind of the network, by any plan.

    Args:
        kind: Kind of the measurement.
        model: Name of a sample, or digest of a stored network.
    """
    digest = loaders.digest(model)
    unsaved = st.session_state.get(_KEY, {})
    return any(
        (key.what, key.digest) == (kind, digest) for key in unsaved
    ) or measurements.has_measurement(loaders.home(), kind, digest)


def when(saved: SavedMeasurement) -> str:
    """When it was measured, in words: 'Measured today at 14:33.'"""
    time = datetime.fromtimestamp(saved.time)
    day = "today at" if time.date() == datetime.now().date() else time.strftime("%d %b %Y,")
    return f"Measured {day} {time:%H:%M}."


def measured_from_dict(value: Any) -> Measured | None:
    """A Measured from its JSON value; None for null.

    Raises:
        TypeError: It is no such value.
    """
    if value is None:
        return None
    pairs = ("interval", "latency_iqr_ms")
    return Measured(**{**value, **{name: tuple(value[name]) for name in pairs if value.get(name)}})


def _version_1_key(key: MeasurementKey, subject: Subject) -> MeasurementKey:
    """The same measurement as version 0.1 named it."""
    return replace(key, plan=planned.plan(subject.model, subject.request).version_1_hash)


def _key(kind: str, subject: Subject) -> MeasurementKey:
    plan = planned.hash_or_none(subject.model, subject.request)
    return MeasurementKey(kind, loaders.digest(subject.model), plan, subject.data)
