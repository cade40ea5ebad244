"""The compensation of the check's network: what was left out, and the errors of the fits."""

from __future__ import annotations

from statistics import median
from typing import Any

import pandas as pd
import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.core.plan.prune_report import Errors, LayerFit, PruneReport
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.text.numbers import percent
from sfp_viz.text.recipe import NORMS_KEPT, uncompensated_sentence
from sfp_viz.ui import problems

FittedLayer = tuple[LayerFit, Errors, Errors]  # with its errors on images of the fit and on others
_FORMS = {"window": "per window", "channel": "per channel", "bias": "mean only"}
_SHARE = "%.1f %%"
_BEFORE = "relative to the layer's output in the unpruned network, after pruning and before its fit"
_AFTER = "the same, after its fit"


def has_batch_norm(network: Network) -> bool:
    """Whether the network has BatchNorm, whose statistics pruning changes; a norm without
    statistics (LayerNorm, GroupNorm) does not count."""
    behind = any(layer.bn_scale is not None for layer in network.layers)
    if network.only_other_norms:
        return False
    elsewhere = (term.macs == term.params == 0 and term.bias == 2 for term in network.terms)
    return behind or any(elsewhere)  # a term with two values a channel: weight and bias of a norm


def without_images(network: Network, recipe: Recipe, *, how: str) -> None:
    """Draw what is not compensated without images; nothing if the plan needs none.

    Args:
        network: The unpruned network.
        recipe: The recipe of the plan.
        how: A sentence on what to do.
    """
    norms = NORMS_KEPT if has_batch_norm(network) else ""
    if omission := uncompensated_sentence(recipe.compensation):
        st.warning(problems.plain(" ".join(filter(None, (omission, norms, how)))))
    elif norms:
        st.caption(problems.plain(f"Without images, {norms} {how}"))


def errors(report: PruneReport, data: str) -> None:
    """Draw the error of each refitted layer before and after its fit, and what was not done.

    Args:
        report: How the pruned network was compensated.
        data: Name of the images.
    """
    layers = [
        (layer, layer.seen, layer.unseen) for layer in report.layers if layer.seen and layer.unseen
    ]
    if not layers and not report.notes:
        return
    count = f"{len(layers)} layer{'s' if len(layers) != 1 else ''}"
    with st.expander(
        f"Errors of the compensation ({count})" if layers else "What was not compensated"
    ):
        if layers:
            st.markdown(problems.plain(_summary(layers)))
            st.dataframe(_table(layers), hide_index=True, column_config=_columns())
            st.caption(problems.plain(_explanation(layers[0], data)))
        for note in report.notes:
            st.caption(problems.plain(note))


def _summary(layers: list[FittedLayer]) -> str:
    def fall(errors: list[Errors]) -> str:
        before, after = median(e.before for e in errors), median(e.after for e in errors)
        return f"{percent(before)} to {percent(after)}"

    seen, unseen = fall([seen for _, seen, _ in layers]), fall([unseen for *_, unseen in layers])
    subject = "The median error of these layers falls" if len(layers) > 1 else "Its error falls"
    return f"{subject} from {seen} on the images of the fit, and from {unseen} on new images."


def _explanation(layer: FittedLayer, data: str) -> str:
    _, seen, unseen = layer
    return (
        "0 %: the output of the layer is the same as in the unpruned network. 100 %: it is no "
        "better than the mean of each output. If the error on new images is much larger, the fit "
        "is overfitted, and more training images would help. Measured layer by layer, after "
        f"compensating the earlier layers, on {seen.images:,} images of the fit and "
        f"{unseen.images:,} test images of {data}."
    )


def _table(layers: list[FittedLayer]) -> pd.DataFrame:
    rows = [
        {
            "Layer": layer.name,
            "Before": 100 * seen.before,
            "After": 100 * seen.after,
            "New images: before": 100 * unseen.before,
            "New images: after": 100 * unseen.after,
            "Fit": _FORMS[layer.form],
        }
        for layer, seen, unseen in layers
    ]
    return pd.DataFrame(rows)


def _columns() -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "Layer": st.column_config.TextColumn(pinned=True),
        "Before": number(format=_SHARE, help=f"Error on images of the fit: {_BEFORE}"),
        "After": number(format=_SHARE, help=f"Error on images of the fit: {_AFTER}"),
        "New images: before": number(format=_SHARE, help=f"Error on test images: {_BEFORE}"),
        "New images: after": number(format=_SHARE, help=f"Error on test images: {_AFTER}"),
    }


def show(network: Network, recipe: Recipe, report: PruneReport | None, data: str) -> None:
    """Draw the compensation of the checked network.

    Args:
        network: The unpruned network.
        recipe: The recipe of the plan.
        report: How the network was compensated; None without images.
        data: Name of the images.
    """
    if report is None:
        without_images(network, recipe, how="Choose images above, then prune again.")
        return
    errors(report, data)
