"""How the check's network was made up for what went: what was left out, and what the fits err."""

from __future__ import annotations

from statistics import median
from typing import Any

import pandas as pd
import streamlit as st

from sfp_viz.core.plan.recipe import NORMS_STAY, Recipe, left_out
from sfp_viz.text.numbers import percent
from sfp_viz.text.recipe import CHOICE_NAMES
from sfp_viz.ui import problems

_FORMS = {"window": "by window", "channel": "by channel", "bias": "its mean alone"}
_SHARE = "%.1f %%"
_BEFORE = "of what the layer put out in the unpruned network, after the cut and before its fit"
_AFTER = "the same after its fit"


def without_images(recipe: Recipe, *, how: str) -> None:
    """Warn that nothing, or not all, is made up for without images, and ``how`` to change that."""
    kind = recipe.compensation
    undone = left_out(kind, CHOICE_NAMES["compensation"].get(kind, kind))
    if undone:
        st.warning(problems.plain(f"{undone} {NORMS_STAY} {how}"))
    else:
        st.caption(problems.plain(f"Without images {NORMS_STAY} {how}"))


def errors(found: Any, data: str) -> None:
    """``found``, a Repair: the error of each refitted layer before and after its fit, on images of
    the fit and on test images of ``data``; what could not be done as asked; nothing for neither."""
    layers = [layer for layer in found.layers if layer.seen and layer.unseen]
    if not layers and not found.notes:
        return
    many = f"{len(layers)} layer{'s' if len(layers) != 1 else ''}"
    with st.expander(f"How well the repair fits ({many})" if layers else "What was not repaired"):
        if layers:
            st.markdown(problems.plain(_sum(layers)))
            st.dataframe(_table(layers), hide_index=True, column_config=_columns())
            st.caption(problems.plain(_explained(layers[0], data)))
        for note in found.notes:
            st.caption(problems.plain(note))


def _sum(layers: list[Any]) -> str:
    def fall(side: str) -> str:
        pairs = [getattr(layer, side) for layer in layers]
        was, now = median(p.before for p in pairs), median(p.after for p in pairs)
        return f"{percent(was)} to {percent(now)}"

    which = "The median error of these layers falls" if len(layers) > 1 else "Its error falls"
    return (
        f"{which} from {fall('seen')} on images that the fit was made on, and from "
        f"{fall('unseen')} on images that are new to it."
    )


def _explained(layer: Any, data: str) -> str:
    return (
        "0 %: the layer puts out what it did in the unpruned network. 100 %: it knows no more than "
        "the mean of each output. Much more on new images than on the fit's: the fit followed "
        "chance, and more training images would help. Measured layer by layer, after the repair "
        f"of those before it, on {layer.seen.images:,} images of the fit and "
        f"{layer.unseen.images:,} test images of {data}, which no fit has seen."
    )


def _table(layers: list[Any]) -> pd.DataFrame:
    rows = [
        {
            "Layer": layer.name,
            "Before": 100 * layer.seen.before,
            "After": 100 * layer.seen.after,
            "New: before": 100 * layer.unseen.before,
            "New: after": 100 * layer.unseen.after,
            "Fitted": _FORMS[layer.form],
        }
        for layer in layers
    ]
    return pd.DataFrame(rows)


def _columns() -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "Layer": st.column_config.TextColumn(pinned=True),
        "Before": number(format=_SHARE, help=f"Error on images of the fit: {_BEFORE}"),
        "After": number(format=_SHARE, help=f"Error on images of the fit: {_AFTER}"),
        "New: before": number(format=_SHARE, help=f"Error on test images: {_BEFORE}"),
        "New: after": number(format=_SHARE, help=f"Error on test images: {_AFTER}"),
    }


def show(recipe: Recipe, found: Any, data: str) -> None:
    """What the check of a network says of its repair ``found``; None without images."""
    if found is None:
        without_images(recipe, how="Choose images above, then prune again.")
        return
    errors(found, data)
