"""The first lesson: which filters of the digits network can be pruned?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape

import numpy as np
import streamlit as st

from sfp_viz.core.cost.cost import cost
from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.core.plan import recipe as recipes
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.errors import ModelError
from sfp_viz.figures.filters.filter_map import filter_map
from sfp_viz.figures.filters.pictures import data_uri, filter_pixels, glass
from sfp_viz.figures.filters.similarity import similarity_map
from sfp_viz.figures.tradeoff.accuracy_bars import accuracy_bars
from sfp_viz.figures.tradeoff.tradeoff import Point
from sfp_viz.text.numbers import percent, span
from sfp_viz.ui import charts
from sfp_viz.ui.cached import loaders, planned, pruned
from sfp_viz.ui.check import checks
from sfp_viz.ui.group import filter_maps
from sfp_viz.ui.group.group_view import pixels
from sfp_viz.ui.learn.quiz import QUESTIONS
from sfp_viz.ui.session.state import Session

MODEL, DATA = "lenet5_digits", "digits"
RANDOM, NORM, CLUSTER = "Random filters", "The smallest filters", "All but one of each cluster"
TARGETS = {"a third": 0.33, "half": 0.5, "three quarters": 0.75}
FEW = 0.25  # clusters that are drawn, per kept filter
PAIRS = 3  # most similar pairs of filters that are drawn
_SHOWN = "lesson_shown"  # session_state: the share that was measured last


def recipe_of(method: str, target: float, seed: int = 0) -> Recipe:
    """The recipe of one of the three answers; they differ only in which filters are pruned.

    Args:
        method: RANDOM, NORM or CLUSTER.
        target: Share of MACs to remove, 0..1.
        seed: Of the random choice.
    """
    if method == RANDOM:
        return recipes.random(target, seed=seed)
    if method == NORM:
        return recipes.uniform_l1(target)
    return Recipe(target_reduction=target, allocation="uniform", cluster_rule="one_each")


def redundant_group() -> FilterGroup:
    """The most redundant convolution of the lesson's network, by Kernel Dispersion."""
    group = planned.group_of(Session(model=MODEL, recipe=recipe_of(CLUSTER, 0.5)))
    if group is None:
        raise ModelError(f"The lesson's network {MODEL} has no filters to show. Reinstall sfp-viz.")
    return group


def filters(network: Network) -> None:
    """Every filter of the first layer as a picture."""
    layer = network.layers[0]
    tiles = [_tile(kernels, str(unit)) for unit, kernels in enumerate(filter_pixels(layer))]
    _tiles(f"Filters of {layer.name}", tiles, wide=44)


def _tile(kernels: np.ndarray, name: str) -> str:
    return (
        f'<figure><img src="{data_uri(kernels, colors=glass())}" alt="filter {name}">'
        f"<figcaption>{name}</figcaption></figure>"
    )


def _tiles(label: str, tiles: Sequence[str], *, wide: int) -> None:
    st.html(
        "<style>.lesson{display:flex;flex-wrap:wrap;gap:10px}.lesson>div{display:flex;gap:6px;"
        "margin-right:18px}.lesson figure{margin:0;text-align:center;font-size:12px}"
        ".lesson img{image-rendering:pixelated;display:block}"
        f'</style><div class="lesson" role="group" aria-label="{escape(label, quote=True)}">'
        + "".join(tiles).replace("<img ", f'<img style="width:{wide}px" ')
        + "</div>"
    )


def redundancy_text(network: Network) -> str:
    """What Kernel Dispersion is, and which layer is the most redundant."""
    group, first_layer = redundant_group(), network.layers[0]
    spread = planned.dispersions(MODEL, recipe_of(CLUSTER, 0.5))
    first_group = network.group_of(first_layer.name)
    text = (
        "Even random filters are somewhat similar. **Kernel Dispersion** measures how diverse the "
        "filters of a layer are: 1 for random filters, 0 for copies. The most redundant layer is "
        f"**{group.name}** with {spread[group.name]:.2f}"
    )
    if first_group and first_group.name != group.name and first_group.name in spread:
        return f"{text}; {first_layer.name}, shown above, has {spread[first_group.name]:.2f}."
    return f"{text}."


def similar_filters(network: Network) -> None:
    """The most redundant layer: its most similar pairs, and its filters as points and as a matrix
    of similarities, in few clusters, so that the eye tells them apart."""
    group = redundant_group()
    recipe = replace(recipe_of(CLUSTER, 0.5), cluster_rule="share", kappa=FEW)
    kept = planned.allocated_widths(MODEL, Request(recipe))[group.name]
    analysis = planned.group_analysis(MODEL, group.name, recipe, kept)
    _pairs(network, group, analysis.similarity)
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**As points.** Similar filters are close together.")
        points = filter_maps.places(MODEL, group.name).points
        charts.draw(
            filter_map(points, analysis.clusters.labels), key="lesson_map",
            alt=f"{group.size} filters as points in {analysis.clusters.k} clusters.",
        )  # fmt: skip
    with right:
        st.markdown("**As pairs.** Each cell compares two filters; the blocks are clusters.")
        charts.draw(
            similarity_map(analysis.similarity, analysis.clusters.labels), key="lesson_pairs",
            alt="The similarity of every pair of filters, sorted by cluster.",
        )  # fmt: skip
    st.caption(
        f"Shown here: {analysis.clusters.k} clusters. Below, each layer has as many clusters as "
        "kept filters, so that one filter of each cluster is kept."
    )


def closest(similarity: np.ndarray, count: int = PAIRS) -> list[tuple[int, int]]:
    """The ``count`` most similar pairs of filters; each filter is in one of them at most.

    Args:
        similarity: Float [filters, filters].
        count: Number of pairs.
    """
    rows, columns = np.triu_indices(len(similarity), 1)
    pairs: list[tuple[int, int]] = []
    for index in np.argsort(-similarity[rows, columns], kind="stable"):
        pair = int(rows[index]), int(columns[index])
        if len(pairs) < count and not any(set(pair) & set(earlier) for earlier in pairs):
            pairs.append(pair)
    return pairs


def _pairs(network: Network, group: FilterGroup, similarity: np.ndarray) -> None:
    layer = group.layers[0]
    pictures, pairs = pixels(network, layer, group.size), closest(similarity)
    pictures = pictures.repeat(2, axis=2).repeat(2, axis=3)  # or gaps would be as wide as pixels
    tiles = [
        "<div>" + "".join(_tile(pictures[unit], str(unit)) for unit in pair) + "</div>"
        for pair in pairs
    ]
    values = "; ".join(f"{a} and {b}: {similarity[a, b]:.2f}" for a, b in pairs)
    st.markdown(f"**The most similar pairs in {layer}**")
    _tiles(f"Pairs of filters of {layer}", tiles, wide=88)
    st.caption(
        f"Cosine similarity (1: same direction): {values}. Each tile shows the kernels for the "
        f"first {pictures.shape[1]} input maps of a filter."
    )


@st.cache_resource(max_entries=8, show_spinner=False)
def measure_answers(target: float) -> tuple[Point, ...]:
    """One-shot accuracy of the three answers at the same widths. Takes seconds: on a click.

    For random filters it is the median of three draws.
    """
    network = loaders.network(MODEL)

    def point(method: str, seed: int = 0) -> Point:
        recipe = recipe_of(method, target, seed)
        accuracy = pruned.pruned_accuracy(MODEL, Request(recipe), DATA)
        macs = cost(network, planned.plan(MODEL, Request(recipe))).macs
        return Point(method, macs, *checks.accuracy(accuracy), "plan", "one-shot")

    draws = sorted((point(RANDOM, seed) for seed in range(3)), key=lambda p: p.accuracy)
    return draws[1], point(NORM), point(CLUSTER)


def is_shown(target: float) -> bool:
    """Whether the answer for this share was requested."""
    return st.session_state.get(_SHOWN) == target


def show(target: float) -> None:
    """Remember that the answer was requested."""
    st.session_state[_SHOWN] = target


def restart() -> None:
    """Forget every answer."""
    for key in (_SHOWN, "lesson_guess", *(f"quiz_{name}" for name in QUESTIONS)):
        st.session_state[key] = None


def answer(target: float, guess: str) -> None:
    """Draw the three accuracies, and whether the guess was right. Measures them the first time.

    Args:
        target: Share of MACs to remove, 0..1.
        guess: RANDOM, NORM or CLUSTER.
    """
    points = measure_answers(target)
    charts.draw(
        accuracy_bars(points, chosen=guess), key="lesson_answer",
        alt="; ".join(f"{p.label}: {percent(p.accuracy)}" for p in points),
    )  # fmt: skip
    st.markdown(verdict(points, guess))
    unpruned = pruned.accuracy(MODEL, DATA)
    st.caption(
        f"Measured on {unpruned.images:,} test images, before any fine-tuning. Unpruned network: "
        f"{percent(unpruned.accuracy or 0)} ({span(unpruned.interval)}). All three have the same "
        "widths. Random filters: the median of three draws."
    )


def verdict(points: tuple[Point, ...], guess: str) -> str:
    """Whether the guess was right, and whether that is conclusive. A right guess is compared with
    the best of the other answers, a wrong one with the best of all.

    Args:
        points: The three measured answers.
        guess: RANDOM, NORM or CLUSTER.
    """
    guessed = next(p for p in points if p.label == guess)
    rival = max((p for p in points if p is not guessed), key=lambda p: p.accuracy)
    right = guessed.accuracy >= rival.accuracy
    best, runner_up = (guessed, rival) if right else (rival, guessed)
    conclusive = (runner_up.interval or (0, 1))[1] < (best.interval or (0, 1))[0]
    figures = (
        f"'{best.label}' keeps {percent(best.accuracy)}, '{runner_up.label}' "
        f"{percent(runner_up.accuracy)}"
    )
    if not conclusive:
        return (
            f"**This is not conclusive**: {figures}, but their intervals overlap, so the order "
            "could be different on other test images."
        )
    answer = "right" if right else "not right"
    return f"**You were {answer}**: {figures}, and the intervals do not overlap."
