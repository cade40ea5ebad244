"""The settings of pruning while training as fields, each with its meaning."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sfp_viz.core.training.sparsification import AULM, Sparsification
from sfp_viz.text.sparse_training import exact

_WEIGHTS = {
    "relative": "By their mean filter and their MACs",
    "size": "By the size of a filter and their MACs",
    "plain": "All alike, as the authors do",
}
LABELS = {
    "epochs": "Epochs", "strength": "Strength (λ)", "learning_rate": "Learning rate",
    "batch_size": "Images a batch", "settle": "Settling", "refresh": "Steps a refresh",
    "cutoff": "Cutoff", "rho": "Pull to the copy (ρ)", "growth": "Growth of ρ",
    "rho_most": "Largest ρ", "filter_share": "Time for filters", "filter_part": "Work of filters",
    "dead_gate": "Least gate of a stripe", "reactivation": "Epochs to come back",
    "momentum": "Momentum", "weight_decay": "Weight decay", "seed": "Seed",
    "train_images": "Training images, 0 for all",
}  # fmt: skip
_UNITS = {"relative": "By their mean filter", "plain": "All alike"}


def basic(settings: Sparsification, place: str) -> dict[str, Any]:
    """How much is to go, how strong the pull is, and how long and fast it trains."""
    fields = _aim(settings, place)
    left, right = st.columns(2)
    epochs = left.number_input(
        LABELS["epochs"], value=settings.epochs, key=f"sparse_epochs_{place}",
        help="Of this training. Filters need time to go: rather twice as many as for fine-tuning.",
    )  # fmt: skip
    if settings.method != "ssr_projection":
        fields["strength"] = right.number_input(
            LABELS["strength"], value=settings.strength, format="%.3f",
            key=f"sparse_strength_{place}",
            help="How hard every filter is pulled towards 0. Larger: more go, and sooner; too "
            "large: accuracy goes with them.",
        )  # fmt: skip
    left, right = st.columns(2)
    rate = left.number_input(
        LABELS["learning_rate"], value=settings.learning_rate, step=0.005, format="%.4f",
        key=f"sparse_rate_{place}",
        help="Held until what goes is settled, then it falls to 0.",
    )  # fmt: skip
    batch = right.number_input(
        LABELS["batch_size"], value=settings.batch_size, key=f"sparse_batch_{place}"
    )
    return {**fields, "epochs": int(epochs), "learning_rate": rate, "batch_size": int(batch)}


def _aim(settings: Sparsification, place: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    choice = settings.method not in ("ssr_projection", "stripes")
    if choice:
        fields["finish"] = st.segmented_control(
            "How much goes", ["target", "found"], default=settings.finish, required=True,
            key=f"sparse_finish_{place}",
            format_func=lambda name: "To a target" if name == "target" else "What the pull leaves",
            help="With a target, the strongest filters that fit it stay: comparable at equal cost. "
            "Without, the strength alone decides, as the authors do it.",
        )  # fmt: skip
    if not choice or fields["finish"] == "target":
        fields["target_reduction"] = st.slider(
            "MACs to save, %", 5, 95, round(100 * settings.target_reduction), 5,
            key=f"sparse_target_{place}",
        ) / 100  # fmt: skip
    return fields


def detail(settings: Sparsification, place: str) -> dict[str, Any]:
    """What only this method has."""
    left, right = st.columns(2)
    fields: dict[str, Any] = {}
    fields["settle"] = left.number_input(
        LABELS["settle"], value=settings.settle, step=0.05, key=f"sparse_settle_{place}",
        help="The last share of the epochs: what goes is at 0 for good, nothing pulls any more, "
        "and the rest trains on.",
    )  # fmt: skip
    fields["refresh"] = int(right.number_input(
        LABELS["refresh"], value=settings.refresh, key=f"sparse_refresh_{place}",
        help="How often the sparse copy (or what is at 0) is worked out anew, and a moment is "
        "added to the charts.",
    ))  # fmt: skip
    if settings.method in AULM:
        fields |= _pull(settings, place)
    if settings.method == "group_lasso" and not exact(settings):  # a target needs none
        fields["cutoff"] = left.number_input(
            LABELS["cutoff"], value=settings.cutoff, step=0.01, key=f"sparse_cutoff_{place}",
            help="Filters below this share of their layer's longest count as gone.",
        )  # fmt: skip
    if settings.method == "stripes":
        fields |= _stripes(settings, place)
    else:
        fields["weights"] = _weights(settings, place)
    fields["coupled"] = st.checkbox(
        "Layers tied together too", settings.coupled, key=f"sparse_coupled_{place}",
        help="Layers whose outputs are added must lose the same filters. Off: they stay whole.",
    )  # fmt: skip
    if not exact(settings):
        layers = st.checkbox(
            "One layer after the other", settings.order == "layers", key=f"sparse_order_{place}",
            help="Each group of filters gets all epochs to itself, as the authors did with LeNet. "
            "Only without a target.",
        )  # fmt: skip
        fields["order"] = "layers" if layers else "whole"
    return fields


def _weights(settings: Sparsification, place: str) -> str:
    projected = settings.method == "ssr_projection"  # it has no strength
    words = _UNITS if projected else _WEIGHTS
    return st.selectbox(
        "How layers are weighed", list(words), format_func=words.__getitem__,
        index=list(words).index(settings.weights), key=f"sparse_weights_{place}",
        help="In what unit filters of different layers are held against each other."
        if projected
        else "What the strength is a multiple of in each layer. By mean filter and MACs: one "
        "number fits every network, and layers that cost more are pulled harder.",
    )  # fmt: skip


def _pull(settings: Sparsification, place: str) -> dict[str, Any]:
    left, right = st.columns(2)
    return {
        "rho": left.number_input(
            LABELS["rho"], value=settings.rho, step=0.5, key=f"sparse_rho_{place}",
            help="How closely the network follows its sparse copy. For l2,0 it is raised to 1.5 "
            "times the strength in each layer where it is less.",
        ),
        "growth": right.number_input(
            LABELS["growth"], value=settings.growth, step=0.01, key=f"sparse_growth_{place}",
            help="Times this at every refresh, so that network and copy meet. 1: it stays.",
        ),
        "rho_most": st.number_input(
            LABELS["rho_most"], value=settings.rho_most, step=1.0, key=f"sparse_most_{place}"
        ),
    }  # fmt: skip


def _stripes(settings: Sparsification, place: str) -> dict[str, Any]:
    left, right = st.columns(2)
    below, beside = st.columns(2)
    return {
        "filter_share": left.number_input(
            LABELS["filter_share"], value=settings.filter_share, step=0.05,
            key=f"sparse_share_{place}",
            help="Share of the epochs in which whole filters go, before stripes do.",
        ),
        "filter_part": right.number_input(
            LABELS["filter_part"], value=settings.filter_part, step=0.05,
            key=f"sparse_part_{place}",
            help="Share of the saving that whole filters bring; 0: stripes alone.",
        ),
        "dead_gate": below.number_input(
            LABELS["dead_gate"], value=settings.dead_gate, step=0.01,
            key=f"sparse_gate_{place}",
            help="Each stripe is multiplied by its gate, 1 at first. Up to this value it is gone.",
        ),
        "reactivation": int(beside.number_input(
            LABELS["reactivation"], value=settings.reactivation, key=f"sparse_back_{place}",
            help="A stripe whose gate rises again within so many epochs comes back.",
        )),
    }  # fmt: skip


def advanced(settings: Sparsification, place: str) -> dict[str, Any]:
    """The optimizer, and the stream of random numbers."""
    left, right = st.columns(2)
    return {
        "momentum": left.number_input(
            LABELS["momentum"], value=settings.momentum, step=0.05, key=f"sparse_momentum_{place}"
        ),
        "weight_decay": right.number_input(
            LABELS["weight_decay"], value=settings.weight_decay, step=0.0001, format="%.5f",
            key=f"sparse_decay_{place}",
            help="Pulls the weights towards 0, but for those that the method pulls itself.",
        ),
        "seed": int(left.number_input(
            LABELS["seed"], value=settings.seed, key=f"sparse_seed_{place}"
        )),
    }  # fmt: skip
