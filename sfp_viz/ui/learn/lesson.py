"""The first lesson: which filters of the digits network can go?"""

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
RANDOM, NORM, CLUSTER = "At random", "The smallest ones", "All but one of each cluster"
TARGETS = {"a third": 0.33, "half": 0.5, "three quarters": 0.75}
FEW = 0.25  # clusters that are drawn, for each filter that stays
PAIRS = 3  # of filters most alike, drawn side by side
_SHOWN = "lesson_shown"  # session_state: the share that was measured last


def recipe_of(way: str, target: float, seed: int = 0) -> Recipe:
    """The three ways differ in the choice of filters alone: every group loses the same share."""
    if way == RANDOM:
        return recipes.random(target, seed=seed)
    if way == NORM:
        return recipes.uniform_l1(target)
    return Recipe(target_reduction=target, allocation="uniform", cluster_rule="one_each")


def repeated() -> FilterGroup:
    """The convolution of the lesson's network whose filters repeat one another most, by its
    Kernel Dispersion."""
    found = planned.group_of(Session(model=MODEL, recipe=recipe_of(CLUSTER, 0.5)))
    if found is None:
        raise ModelError(f"The lesson's network {MODEL} has no filters to show. Install it anew.")
    return found


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


def chance(network: Network) -> str:
    """What likeness is by chance, and which layer has more of it: by Kernel Dispersion."""
    group, first = repeated(), network.layers[0]
    found = planned.dispersions(MODEL, recipe_of(CLUSTER, 0.5))
    here, there = found[group.name], network.group_of(first.name)
    text = (
        "Some filters are alike by chance. **Kernel Dispersion** tells how spread the filters of "
        "a layer are: 1 is as spread as random filters, 0 is copies of one another. The layer "
        f"that repeats itself most is **{group.name}**, {here:.2f}"
    )
    if there is not None and there.name != group.name and there.name in found:
        return f"{text}; {first.name}, above, has {found[there.name]:.2f}."
    return f"{text}."


def alike(network: Network) -> None:
    """The layer that repeats itself most: its pairs most alike, its filters as points and as a
    table of similarities, by cluster: few clusters, so that the eye tells them apart."""
    recipe, group = replace(recipe_of(CLUSTER, 0.5), cluster_rule="share", kappa=FEW), repeated()
    kept = planned.suggestion(MODEL, Request(recipe))[group.name]
    found = planned.group_analysis(MODEL, group.name, recipe, kept)
    _pairs(network, group, found.similarity)
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**As points.** Filters that are alike lie near each other.")
        points = filter_maps.places(MODEL, group.name).points
        charts.draw(
            filter_map(points, found.clusters.labels), key="lesson_map",
            alt=f"{group.size} filters as points in {found.clusters.k} clusters.",
        )  # fmt: skip
    with right:
        st.markdown("**As pairs.** Each field is one pair; the blocks are clusters.")
        charts.draw(
            similarity_map(found.similarity, found.clusters.labels), key="lesson_pairs",
            alt="The similarity of every pair of filters, sorted by cluster.",
        )  # fmt: skip
    st.caption(
        f"Shown in {found.clusters.k} clusters. Below, a layer has as many clusters as filters "
        "stay in it, so that one of each can stay."
    )


def closest(similarity: np.ndarray, count: int = PAIRS) -> list[tuple[int, int]]:
    """The ``count`` pairs of filters most alike, no filter in two of them."""
    rows, columns = np.triu_indices(len(similarity), 1)
    pairs: list[tuple[int, int]] = []
    for at in np.argsort(-similarity[rows, columns], kind="stable"):
        pair = int(rows[at]), int(columns[at])
        if len(pairs) < count and not any(set(pair) & set(other) for other in pairs):
            pairs.append(pair)
    return pairs


def _pairs(network: Network, group: FilterGroup, similarity: np.ndarray) -> None:
    layer = group.layers[0]
    drawn, pairs = pixels(network, layer, group.size), closest(similarity)
    drawn = drawn.repeat(2, axis=2).repeat(2, axis=3)  # or gaps would be as wide as pixels
    tiles = [
        "<div>" + "".join(_tile(drawn[unit], str(unit)) for unit in pair) + "</div>"
        for pair in pairs
    ]
    words = "; ".join(f"{a} and {b}: {similarity[a, b]:.2f}" for a, b in pairs)
    st.markdown(f"**The pairs most alike in {layer}.**")
    _tiles(f"Pairs of filters of {layer}", tiles, wide=88)
    st.caption(
        f"Similarity (cosine; 1 is the same direction): {words}. Each field is the kernel for one "
        f"of the maps that the filter reads, the first {drawn.shape[1]} of them."
    )


@st.cache_resource(max_entries=8, show_spinner=False)
def measured(target: float) -> tuple[Point, ...]:
    """One-shot accuracy of the three ways at the same widths. Takes seconds: on a click.

    Of three draws at random, the middle one is given.
    """
    network = loaders.network(MODEL)

    def point(way: str, seed: int = 0) -> Point:
        recipe = recipe_of(way, target, seed)
        found = pruned.pruned_accuracy(MODEL, Request(recipe), DATA)
        macs = cost(network, planned.plan(MODEL, Request(recipe))).macs
        return Point(way, macs, *checks.accuracy(found), "plan", "one-shot")

    draws = sorted((point(RANDOM, seed) for seed in range(3)), key=lambda p: p.accuracy)
    return draws[1], point(NORM), point(CLUSTER)


def shown(target: float) -> bool:
    """Whether the answer for this share has been asked for."""
    return st.session_state.get(_SHOWN) == target


def show(target: float) -> None:
    """Remember that the answer was asked for."""
    st.session_state[_SHOWN] = target


def anew() -> None:
    """Forget every answer."""
    for key in (_SHOWN, "lesson_guess", *(f"quiz_{name}" for name in QUESTIONS)):
        st.session_state[key] = None


def answer(target: float, guess: str) -> None:
    """The three accuracies, and how the guess stands to them."""
    points = measured(target)
    charts.draw(
        accuracy_bars(points, chosen=guess), key="lesson_answer",
        alt="; ".join(f"{p.label}: {percent(p.accuracy)}" for p in points),
    )  # fmt: skip
    st.markdown(verdict(points, guess))
    whole = pruned.accuracy(MODEL, DATA)
    st.caption(
        f"Measured on {whole.images:,} test images, before any training; the unpruned network has "
        f"{percent(whole.accuracy or 0)} ({span(whole.interval)}). All three have the same widths. "
        "At random: the middle one of three draws."
    )


def verdict(points: tuple[Point, ...], guess: str) -> str:
    """Whether the guess held: the same caution for a right one as for a wrong one.

    A right guess is held against the best of the others, a wrong one against the best of all.
    """
    mine = next(p for p in points if p.label == guess)
    other = max((p for p in points if p is not mine), key=lambda p: p.accuracy)
    right = mine.accuracy >= other.accuracy
    best, less = (mine, other) if right else (other, mine)
    clear = (less.interval or (0, 1))[1] < (best.interval or (0, 1))[0]
    figures = (
        f"'{best.label}' keeps {percent(best.accuracy)}, '{less.label}' {percent(less.accuracy)}"
    )
    if not clear:
        return (
            f"**This does not decide it**: {figures}, but their intervals overlap, so other test "
            "images may turn it around."
        )
    return f"**You were {'right' if right else 'not right'}**: {figures}, clear of the intervals."
