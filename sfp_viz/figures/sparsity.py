"""How the layers of a network become sparse while it trains: refreshes as data that can be
drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sfp_viz.core.cost.cost import cost_of_widths
from sfp_viz.core.network import Network
from sfp_viz.core.training.history import Refresh
from sfp_viz.core.training.sparsification import SSR, SparseSettings
from sfp_viz.figures import theme

if TYPE_CHECKING:
    import plotly.graph_objects as go

_MOST = 120  # refreshes that are drawn; of a longer history every n-th, and the last
FIXED = "fixed"  # the mark where the set of pruned filters no longer changes
_PHASES = {"whole": "", "filters": "filters", "stripes": "stripes", "frozen": FIXED}


@dataclass(frozen=True)
class LayerHistory:
    """One layer over all refreshes: its number of ``filters``, and how many are ``live`` at each.

    ``stripes`` is the share 0..1 of the live filters' stripes that are not pruned, ``gates`` the 0,
    25, 50, 75 and 100 % quantiles of their gates, ``residual`` ||W - F|| / ||W|| of its group: ()
    where the method has none, None within where it is not known yet. ``prunable``: whether the
    training may prune the layer.
    """

    layer: str
    filters: int
    live: tuple[int, ...]
    stripes: tuple[float, ...] = ()
    gates: tuple[tuple[float, ...] | None, ...] = ()
    residual: tuple[float | None, ...] = ()
    prunable: bool = True


@dataclass(frozen=True)
class SparsityHistory:
    """A sparse training, refresh by refresh, with its start as the first entry.

    ``epochs`` (fractional) of each entry, of ``total``; ``macs`` counted for what is kept, of
    ``whole``; ``loss`` measured in training (None at the start); ``accuracy`` as (epoch, 0..1)
    measured on test images; ``marks`` as (epoch, word) where a phase begins; ``target`` the share
    of MACs to keep, None where the penalty alone decides.
    """

    epochs: tuple[float, ...]
    total: int
    layers: tuple[LayerHistory, ...]
    macs: tuple[int, ...]
    whole: int
    loss: tuple[float | None, ...]
    accuracy: tuple[tuple[float, float], ...]
    marks: tuple[tuple[float, str], ...]
    target: float | None


def target_share(settings: SparseSettings) -> float | None:
    """Share of MACs to keep, 0..1; None without a target."""
    return 1 - settings.target_reduction if settings.meets_target else None


def sparsity_history(
    network: Network, refreshes: Sequence[Refresh], settings: SparseSettings
) -> SparsityHistory:
    """The history of a sparse training.

    Args:
        network: The unpruned network.
        refreshes: What was recorded at each refresh, in order; may be empty.
        settings: Settings of the training.
    """
    shown = _thinned(refreshes)
    total = refreshes[-1].epochs if refreshes else settings.epochs
    whole = cost_of_widths(network, {}).macs
    return SparsityHistory(
        epochs=(0.0, *(_epoch(refresh) for refresh in shown)),
        total=total,
        layers=tuple(_layer(network, layer.name, shown) for layer in network.layers),
        macs=(whole, *(refresh.macs for refresh in shown)),
        whole=whole,
        loss=(None, *(refresh.loss for refresh in shown)),
        accuracy=tuple(
            (_epoch(refresh), refresh.test_accuracy)
            for refresh in refreshes
            if refresh.test_accuracy is not None
        ),
        marks=_marks(refreshes),
        target=target_share(settings),
    )


def live_filters(network: Network, live: Mapping[str, float]) -> dict[str, int]:
    """Number of filters that each layer keeps, from the share that each group keeps.

    Args:
        network: The network.
        live: Share of its filters that each group keeps, 0..1, by name; groups that are not named
            keep all.
    """
    filters = {}
    for layer in network.layers:
        group = network.group_of(layer.name)
        share = live.get(group.name, 1.0) if group else 1.0
        filters[layer.name] = round(layer.filters * share)
    return filters


def thinning_layers(network: Network, refreshes: Sequence[Refresh]) -> go.Figure:
    """A heat map of each prunable layer over the epochs: the darker, the more of its weights are
    kept (share of its filters times share of their stripes).

    Args:
        network: The unpruned network.
        refreshes: What was recorded at each refresh of a sparse training, in order.
    """
    history = sparsity_history(network, refreshes, SSR())
    layers = [layer for layer in history.layers if layer.prunable][::-1]
    if not refreshes or not layers:
        return theme.empty("Nothing has been pruned yet.")
    figure = theme.chart(x="epoch", height=90 + 18 * len(layers))
    figure.add_heatmap(
        x=history.epochs, y=[layer.layer for layer in layers],
        z=[kept_share(layer) for layer in layers],
        zmin=0, zmax=1, colorscale=[[0, theme.FAINT], [1, theme.PALETTE[0]]], ygap=2,
        colorbar={"title": "kept", "tickformat": ".0%", "thickness": 10},
        hovertemplate="%{y}, epoch %{x:.1f}: %{z:.0%} kept<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(showgrid=False)
    return figure


def kept_share(layer: LayerHistory) -> list[float]:
    """Share 0..1 of the layer's weights that are not pruned, at each refresh."""
    stripes = layer.stripes or (1.0,) * len(layer.live)
    return [live / layer.filters * share for live, share in zip(layer.live, stripes, strict=True)]


def _layer(network: Network, layer: str, shown: Sequence[Refresh]) -> LayerHistory:
    group = network.group_of(layer)
    name = group.name if group else ""
    filters = network.layer(layer).filters
    shares = [dict(refresh.live).get(name, 1.0) for refresh in shown]
    stripes = [dict(refresh.stripes).get(layer) for refresh in shown]
    gates = [dict(refresh.gates).get(layer) for refresh in shown]
    residual = [dict(refresh.residual).get(name) for refresh in shown]
    has_stripes = any(x is not None for x in stripes)
    return LayerHistory(
        layer,
        filters,
        (filters, *(round(filters * share) for share in shares)),
        (1.0, *(1.0 if x is None else x for x in stripes)) if has_stripes else (),
        (None, *gates) if any(gates) else (),
        (None, *residual) if any(x is not None for x in residual) else (),
        prunable=has_stripes or any(name in dict(refresh.live) for refresh in shown),
    )


def _epoch(refresh: Refresh) -> float:
    """The fractional epoch of a refresh."""
    return refresh.epochs * refresh.step / max(1, refresh.steps)


def _thinned(refreshes: Sequence[Refresh]) -> list[Refresh]:
    step = -(-len(refreshes) // _MOST) or 1
    last = len(refreshes) - 1
    return [refresh for at, refresh in enumerate(refreshes) if (last - at) % step == 0]


def _marks(refreshes: Sequence[Refresh]) -> tuple[tuple[float, str], ...]:
    """Where a phase with a name begins: (epoch, name)."""
    marks, before, at = [], "", 0.0
    for refresh in refreshes:
        if refresh.phase != before:
            word = FIXED if refresh.phase.endswith(", settling") else refresh.phase
            word = _PHASES.get(word, word)
            if word and at > 0:
                marks.append((at, word))
        before, at = refresh.phase, _epoch(refresh)
    return tuple(marks)
