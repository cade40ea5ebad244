"""The first lesson: which filters of the digits network can go?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import streamlit as st

from sfp_viz.core import recipe as recipes
from sfp_viz.core.cost import cost
from sfp_viz.core.network import Network
from sfp_viz.core.recipe import Recipe
from sfp_viz.figures.map import filter_map
from sfp_viz.figures.numbers import percent, span
from sfp_viz.figures.pictures import data_uri, filter_pixels, glass
from sfp_viz.figures.similarity import similarity_map
from sfp_viz.figures.tradeoff import Point
from sfp_viz.figures.ways import accuracy_bars
from sfp_viz.ui import charts, loaders, planned
from sfp_viz.ui.check import checking, measuring
from sfp_viz.ui.explore import maps

MODEL, GROUP, DATA = "lenet5_digits", "conv1", "digits"
RANDOM, NORM, CLUSTER = "At random", "The smallest ones", "All but one of each cluster"
TARGETS = {"a third": 0.33, "half": 0.5, "three quarters": 0.75}
_SHOWN = "lesson_shown"  # session_state: the share that was measured last


def recipe_of(way: str, target: float, seed: int = 0) -> Recipe:
    """The three ways differ in the choice of filters alone: every group loses the same share."""
    if way == RANDOM:
        return recipes.random(target, seed=seed)
    if way == NORM:
        return recipes.uniform_l1(target)
    return Recipe(target_reduction=target, allocation="uniform", selection="clusters")


def filters(network: Network) -> None:
    """Every filter of the first layer as a picture."""
    layer = network.layer(network.group(GROUP).layers[0])
    tiles = "".join(
        f'<figure><img src="{data_uri(kernels, colors=glass())}" alt="filter {unit}">'
        f"<figcaption>{unit}</figcaption></figure>"
        for unit, kernels in enumerate(filter_pixels(layer))
    )
    st.html(
        "<style>.tiles{display:flex;flex-wrap:wrap;gap:10px}"
        ".tiles figure{margin:0;text-align:center;font-size:12px}"
        ".tiles img{width:44px;height:44px;image-rendering:pixelated;display:block}"
        f'</style><div class="tiles" role="group" aria-label="Filters of {escape(layer.name)}">'
        f"{tiles}</div>"
    )


def alike(network: Network) -> None:
    """The same filters as points and as a table of similarities, by cluster."""
    recipe = recipe_of(CLUSTER, 0.5)
    kept = planned.suggestion(MODEL, recipe)[GROUP]
    found = planned.group_analysis(MODEL, GROUP, recipe, kept)
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**As points.** Filters that are alike lie near each other.")
        points = maps.places(MODEL, GROUP).points
        charts.draw(
            filter_map(points, found.clusters.labels), key="lesson_map",
            alt=f"{network.group(GROUP).size} filters as points in {found.clusters.k} clusters.",
        )  # fmt: skip
    with right:
        st.markdown("**As pairs.** Each field is one pair; the blocks are clusters.")
        charts.draw(
            similarity_map(found.similarity, found.clusters.labels), key="lesson_pairs",
            alt="The similarity of every pair of filters, sorted by cluster.",
        )  # fmt: skip


@st.cache_resource(max_entries=8, show_spinner=False)
def measured(target: float) -> tuple[Point, ...]:
    """One-shot accuracy of the three ways at the same widths. Takes seconds: on a click.

    Of three draws at random, the middle one is given.
    """
    network = loaders.network(MODEL)

    def point(way: str, seed: int = 0) -> Point:
        recipe = recipe_of(way, target, seed)
        found = measuring.pruned_accuracy(MODEL, recipe, None, DATA)
        macs = cost(network, planned.plan(MODEL, recipe)).macs
        return Point(way, macs, *checking.accuracy(found), "plan", "one-shot")

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
    whole = measuring.accuracy(MODEL, DATA)
    st.caption(
        f"Measured on {whole.images:,} test images, before any training; the unpruned network has "
        f"{percent(whole.accuracy or 0)} ({span(whole.interval)}). All three have the same widths. "
        "At random: the middle one of three draws."
    )


def verdict(points: tuple[Point, ...], guess: str) -> str:
    """Whether the guess held, said with the intervals in mind."""
    best = max(points, key=lambda p: p.accuracy)
    mine = next(p for p in points if p.label == guess)
    if mine is best:
        rest = [p for p in points if p is not best]
        clear = all((p.interval or (0, 1))[1] < (best.interval or (0, 1))[0] for p in rest)
        sure = "clearly" if clear else "though the intervals overlap, so another draw may differ"
        return f"**You were right**, {sure}: '{best.label}' keeps {percent(best.accuracy)}."
    return (
        f"**'{best.label}' keeps most**: {percent(best.accuracy)}, against "
        f"{percent(mine.accuracy)} for '{guess}'."
    )


@dataclass(frozen=True)
class Question:
    """A question with its answers; ``right`` is the one that holds, ``because`` says why."""

    text: str
    answers: tuple[str, ...]
    right: str
    because: str


QUESTIONS: Mapping[str, Question] = {
    "duplicates": Question(
        "Two filters of a layer are exactly alike. What is lost when one of them goes?",
        ("Half of the layer", "Almost nothing, once the next layer counts the other one twice",
         "The network no longer runs"),
        "Almost nothing, once the next layer counts the other one twice",
        "Both say the same; the next layer only has to weigh the one that stays a little more. "
        "That is what training, or a correction of the next layer, does.",
    ),
    "small": Question(
        "A filter has small weights. Can it go without harm?",
        ("Always", "Not always: what it says may be said by no other filter", "Never"),
        "Not always: what it says may be said by no other filter",
        "Size is not the same as being replaceable; and a layer after it may scale it up again.",
    ),
    "ratio": Question(
        "Half of the filters of every layer go. How much of the MACs of a middle layer is saved?",
        ("Half", "About three quarters", "A quarter"),
        "About three quarters",
        "A layer has half as many filters, and each of them sees half as many channels.",
    ),
}  # fmt: skip


def quiz() -> None:
    """The questions; each answer is judged at once."""
    for name, question in QUESTIONS.items():
        said = st.radio(question.text, question.answers, index=None, key=f"quiz_{name}")
        if said is not None:
            word = "Right." if said == question.right else f"It is: {question.right}."
            st.caption(f"{word} {question.because}")
