"""How the layers of a network thin out while it trains: refreshes as a story that can be drawn."""

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

_MOST = 120  # moments that are drawn; of a longer history every n-th, and the last
_DECIDED = "decided"
_PHASES = {"whole": "", "filters": "filters", "stripes": "stripes", "frozen": _DECIDED}


@dataclass(frozen=True)
class Band:
    """One layer over all moments: its ``filters`` before, and how many are ``live`` at each.

    ``stripes`` is the share 0..1 of the live filters' stripes that act, ``gates`` the 0, 25, 50, 75
    and 100 % points of their gates, ``residual`` ||W - F|| / ||W|| of its group: () where the
    method has none, None within where nothing is known yet. ``thins``: whether the training may
    take anything from it.
    """

    layer: str
    filters: int
    live: tuple[int, ...]
    stripes: tuple[float, ...] = ()
    gates: tuple[tuple[float, ...] | None, ...] = ()
    residual: tuple[float | None, ...] = ()
    thins: bool = True


@dataclass(frozen=True)
class Story:
    """A training that makes a network sparse, moment by moment; the first moment is the start.

    ``epochs`` (not whole) of each moment, of ``total``; ``macs`` counted for what stays, of
    ``whole``; ``loss`` measured in training (None at the start); ``accuracy`` as (epoch, 0..1)
    measured on test images; ``marks`` as (epoch, word) where something new begins; ``target`` the
    share of MACs that is to stay, None where the penalty alone decides.
    """

    epochs: tuple[float, ...]
    total: int
    bands: tuple[Band, ...]
    macs: tuple[int, ...]
    whole: int
    loss: tuple[float | None, ...]
    accuracy: tuple[tuple[float, float], ...]
    marks: tuple[tuple[float, str], ...]
    target: float | None


def aims_at(settings: SparseSettings) -> float | None:
    """Share of MACs that is to stay; None where what stays is found, not asked for."""
    return 1 - settings.target_reduction if settings.meets_target else None


def story(network: Network, refreshes: Sequence[Refresh], settings: SparseSettings) -> Story:
    """The history ``refreshes`` of ``network``, a band for each of its layers."""
    shown = _thinned(refreshes)
    total = refreshes[-1].epochs if refreshes else settings.epochs
    whole = cost_of_widths(network, {}).macs
    return Story(
        epochs=(0.0, *(_epoch(one) for one in shown)),
        total=total,
        bands=tuple(_band(network, layer.name, shown) for layer in network.layers),
        macs=(whole, *(one.macs for one in shown)),
        whole=whole,
        loss=(None, *(one.loss for one in shown)),
        accuracy=tuple(
            (_epoch(one), one.test_accuracy) for one in refreshes if one.test_accuracy is not None
        ),
        marks=_marks(refreshes),
        target=aims_at(settings),
    )


def live_filters(network: Network, live: Mapping[str, float]) -> dict[str, int]:
    """Filters of each layer that stay, from the share of each group's that does."""
    found = {}
    for layer in network.layers:
        group = network.group_of(layer.name)
        share = live.get(group.name, 1.0) if group else 1.0
        found[layer.name] = round(layer.filters * share)
    return found


def thinning_layers(network: Network, refreshes: Sequence[Refresh]) -> go.Figure:
    """A row for each layer that thins, over the epochs; the darker, the more of its weights stay
    (share of its filters times share of their stripes)."""
    told = story(network, refreshes, SSR())
    bands = [band for band in told.bands if band.thins][::-1]
    if not refreshes or not bands:
        return theme.empty("Nothing has become sparse yet.")
    figure = theme.chart(x="epoch", height=90 + 18 * len(bands))
    figure.add_heatmap(
        x=told.epochs, y=[band.layer for band in bands], z=[acting(band) for band in bands],
        zmin=0, zmax=1, colorscale=[[0, theme.FAINT], [1, theme.PALETTE[0]]], ygap=2,
        colorbar={"title": "stays", "tickformat": ".0%", "thickness": 10},
        hovertemplate="%{y}, epoch %{x:.1f}: %{z:.0%}<extra></extra>",
    )  # fmt: skip
    figure.update_yaxes(showgrid=False)
    return figure


def acting(band: Band) -> list[float]:
    """Share 0..1 of the layer's weights that act at each moment, by filters and stripes."""
    stripes = band.stripes or (1.0,) * len(band.live)
    return [live / band.filters * part for live, part in zip(band.live, stripes, strict=True)]


def _band(network: Network, layer: str, shown: Sequence[Refresh]) -> Band:
    group = network.group_of(layer)
    name = group.name if group else ""
    filters = network.layer(layer).filters
    shares = [dict(one.live).get(name, 1.0) for one in shown]
    stripes = [dict(one.stripes).get(layer) for one in shown]
    gates = [dict(one.gates).get(layer) for one in shown]
    residual = [dict(one.residual).get(name) for one in shown]
    has_stripes = any(x is not None for x in stripes)
    return Band(
        layer,
        filters,
        (filters, *(round(filters * share) for share in shares)),
        (1.0, *(1.0 if x is None else x for x in stripes)) if has_stripes else (),
        (None, *gates) if any(gates) else (),
        (None, *residual) if any(x is not None for x in residual) else (),
        thins=has_stripes or any(name in dict(one.live) for one in shown),
    )


def _epoch(one: Refresh) -> float:
    """The place of a refresh on the axis of epochs, not whole."""
    return one.epochs * one.step / max(1, one.steps)


def _thinned(refreshes: Sequence[Refresh]) -> list[Refresh]:
    step = -(-len(refreshes) // _MOST) or 1
    last = len(refreshes) - 1
    return [one for at, one in enumerate(refreshes) if (last - at) % step == 0]


def _marks(refreshes: Sequence[Refresh]) -> tuple[tuple[float, str], ...]:
    """Where a phase begins that is worth a word: the end of the one before it."""
    found, before, at = [], "", 0.0
    for one in refreshes:
        if one.phase != before:
            word = _DECIDED if one.phase.endswith(", settling") else one.phase
            word = _PHASES.get(word, word)
            if word and at > 0:
                found.append((at, word))
        before, at = one.phase, _epoch(one)
    return tuple(found)
