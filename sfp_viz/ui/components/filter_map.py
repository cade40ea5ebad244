"""The canvas map of a layer's filters: gestures in filter_map.js, the selection in Python."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from sfp_viz.ui.components.load import load

_mount = load("filter_map")


@dataclass(frozen=True)
class Points:
    """What the map draws of a layer with n filters.

    Attributes:
        name: Identifies the layer.
        title: Name of the layer.
        places: float [n, 2], in any unit.
        clusters: n labels, -1 for dead filters.
        notes: n short sentences.
        pruned: Numbers of the filters that the plan prunes.
        representatives: Numbers of the filters that represent a cluster.
        pixels: uint8 [n, kernels, height, width], 128 is weight 0; None without pictures.
    """

    name: str
    title: str
    places: np.ndarray
    clusters: Sequence[int]
    notes: Sequence[str]
    pruned: Sequence[int] = ()
    representatives: Sequence[int] = ()
    pixels: np.ndarray | None = None


def filter_map(
    points: Points,
    *,
    key: str,
    selected: Sequence[int],
    revision: int,
    on_change: Callable[[], None],
    height: int = 420,
) -> None:
    """Draw the map. While ``revision`` is unchanged, the message is the same byte for byte and the
    browser keeps its own selection and zoom.

    Args:
        points: What is drawn.
        key: Key of the component.
        selected: The selected filters; the browser takes them over when ``revision`` changes.
        revision: Number of the selection.
        on_change: Called after a gesture; ``gesture(key)`` returns what it selected.
        height: Height in pixels.
    """
    pixels = points.pixels
    shape = pixels.shape[1:] if pixels is not None else (0, 0, 0)
    _mount(
        key=key,
        on_selected_change=on_change,
        data={
            "layer": points.name,
            "title": points.title,
            "x": [round(float(x), 4) for x in points.places[:, 0]],
            "y": [round(float(y), 4) for y in points.places[:, 1]],
            "cluster": [int(label) for label in points.clusters],
            "note": list(points.notes),
            "pruned": [int(unit) for unit in points.pruned],
            "representatives": [int(unit) for unit in points.representatives],
            "marks": bool(points.pruned or points.representatives),
            "kernels": int(shape[0]),
            "rows": int(shape[1]),
            "cols": int(shape[2]),
            "pixels": base64.b64encode(pixels.tobytes()).decode() if pixels is not None else "",
            "height": height,
            "selected": [int(unit) for unit in selected],
            "rev": revision,
        },
    )


def gesture(key: str) -> tuple[int, ...] | None:
    """The filters that the last gesture on the map selected; None if there was no new gesture, as
    when Streamlit repeats a callback after an interrupted run."""
    message = (st.session_state.get(key) or {}).get("selected") or {}
    when, seen = message.get("when"), f"{key} seen"
    if when is None or st.session_state.get(seen) == when:
        return None
    st.session_state[seen] = when
    return tuple(unit for unit in message.get("units", ()) if isinstance(unit, int) and unit >= 0)
