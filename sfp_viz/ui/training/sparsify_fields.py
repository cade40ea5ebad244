"""The settings of a sparse training as form fields, each with its meaning."""

from __future__ import annotations

from typing import Any

import streamlit as st

from sfp_viz.core.training.sparsification import SSR, SparseSettings, SSRProjection, Stripes

_WEIGHTS = {
    "relative": "By mean filter norm and MACs",
    "size": "By filter size and MACs",
    "plain": "Equally, as in the paper",
}
LABELS = {
    "epochs": "Epochs", "strength": "Strength (λ)", "learning_rate": "Learning rate",
    "batch_size": "Batch size", "settle": "Final phase (share of epochs)",
    "refresh": "Steps between refreshes",
    "cutoff": "Cutoff", "rho": "Pull strength (ρ)", "growth": "Growth of ρ",
    "rho_most": "Largest ρ", "filter_share": "Filter phase (share of epochs)",
    "filter_part": "Saving by filters (share)",
    "dead_gate": "Gate threshold", "reactivation": "Epochs for reactivation",
    "momentum": "Momentum", "weight_decay": "Weight decay", "seed": "Seed",
    "train_images": "Training images (0 = all)",
}  # fmt: skip
_NORMS = {"relative": "By mean filter norm", "plain": "Equally"}


def basic(settings: SparseSettings, key: str) -> dict[str, Any]:
    """Draw the goal, the strength of the penalty, epochs, learning rate and batch size; returns
    their values by setting.

    Args:
        settings: The initial values.
        key: Suffix of the fields' keys.
    """
    fields = _goal(settings, key)
    left, right = st.columns(2)
    epochs = left.number_input(
        LABELS["epochs"], value=settings.epochs, key=f"sparse_epochs_{key}",
        help="Epochs of the sparse training. Filters need time to reach 0: plan about twice as "
        "many as for fine-tuning.",
    )  # fmt: skip
    if settings.method != "ssr_projection":
        fields["strength"] = right.number_input(
            LABELS["strength"], value=settings.strength, format="%.3f",
            key=f"sparse_strength_{key}",
            help="Weight of the sparsity penalty. A larger value prunes more filters, and "
            "earlier; too large a value costs accuracy.",
        )  # fmt: skip
    left, right = st.columns(2)
    rate = left.number_input(
        LABELS["learning_rate"], value=settings.learning_rate, step=0.005, format="%.4f",
        key=f"sparse_rate_{key}",
        help="Constant until the pruned filters are fixed, then it decays to 0.",
    )  # fmt: skip
    batch = right.number_input(
        LABELS["batch_size"], value=settings.batch_size, key=f"sparse_batch_{key}"
    )
    return {**fields, "epochs": int(epochs), "learning_rate": rate, "batch_size": int(batch)}


def _goal(settings: SparseSettings, key: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if has_choice := not isinstance(settings, SSRProjection | Stripes):
        fields["finish"] = st.segmented_control(
            "How much to prune", ["target", "found"], default=settings.finish, required=True,
            key=f"sparse_finish_{key}",
            format_func=lambda name: "To a target" if name == "target" else "By strength alone",
            help="With a target, the filters with the largest norms that fit it are kept, so "
            "networks compare at equal cost. Without one, the strength decides, as in the paper.",
        )  # fmt: skip
    if not has_choice or fields["finish"] == "target":
        fields["target_reduction"] = st.slider(
            "MACs to remove, %", 5, 95, round(100 * settings.target_reduction), 5,
            key=f"sparse_target_{key}",
        ) / 100  # fmt: skip
    return fields


def detail(settings: SparseSettings, key: str) -> dict[str, Any]:
    """Draw the settings that only some methods have; returns their values by setting.

    Args:
        settings: The initial values.
        key: Suffix of the fields' keys.
    """
    left, right = st.columns(2)
    fields: dict[str, Any] = {}
    fields["settle"] = left.number_input(
        LABELS["settle"], value=settings.settle, step=0.05, key=f"sparse_settle_{key}",
        help="In the last epochs the pruned filters are fixed at 0, the penalty is off and the "
        "other filters are trained further.",
    )  # fmt: skip
    fields["refresh"] = int(right.number_input(
        LABELS["refresh"], value=settings.refresh, key=f"sparse_refresh_{key}",
        help="How often the sparse copy, or the set of pruned filters, is updated. Each refresh "
        "adds a point to the charts.",
    ))  # fmt: skip
    if isinstance(settings, SSR | SSRProjection):
        fields |= _aulm(settings, key)
    if settings.method == "group_lasso" and not settings.meets_target:  # a target needs none
        fields["cutoff"] = left.number_input(
            LABELS["cutoff"], value=settings.cutoff, step=0.01, key=f"sparse_cutoff_{key}",
            help="Filters whose norm is below this share of the largest one in their layer are "
            "pruned.",
        )  # fmt: skip
    if settings.method == "stripes":
        fields |= _stripes(settings, key)
    else:
        fields["weights"] = _weights(settings, key)
    fields["coupled"] = st.checkbox(
        "Also prune tied layers", settings.coupled, key=f"sparse_coupled_{key}",
        help="Layers whose outputs are added must lose the same filters. If off, they are not "
        "pruned.",
    )  # fmt: skip
    if not settings.meets_target:
        layers = st.checkbox(
            "One group at a time", settings.order == "layers", key=f"sparse_order_{key}",
            help="Trains each group of filters for all epochs before the next, as the paper does "
            "with LeNet. Only without a target.",
        )  # fmt: skip
        fields["order"] = "layers" if layers else "whole"
    return fields


def _weights(settings: SparseSettings, key: str) -> str:
    projected = settings.method == "ssr_projection"  # it has no strength
    words = _NORMS if projected else _WEIGHTS
    return st.selectbox(
        "Layer weighting", list(words), format_func=words.__getitem__,
        index=list(words).index(settings.weights), key=f"sparse_weights_{key}",
        help="How the norms of filters in different layers are made comparable."
        if projected
        else "What the strength is multiplied by in each layer. With mean filter norm and MACs one "
        "strength suits every network, and expensive layers are penalized more.",
    )  # fmt: skip


def _aulm(settings: SSR | SSRProjection, key: str) -> dict[str, Any]:
    left, right = st.columns(2)
    return {
        "rho": left.number_input(
            LABELS["rho"], value=settings.rho, step=0.5, key=f"sparse_rho_{key}",
            help="How closely the network follows its sparse copy. For l2,0 it is at least 1.5 "
            "times the strength in each layer.",
        ),
        "growth": right.number_input(
            LABELS["growth"], value=settings.growth, step=0.01, key=f"sparse_growth_{key}",
            help="ρ is multiplied by this at every refresh, so that network and copy converge. 1 "
            "keeps it constant.",
        ),
        "rho_most": st.number_input(
            LABELS["rho_most"], value=settings.rho_most, step=1.0, key=f"sparse_most_{key}"
        ),
    }  # fmt: skip


def _stripes(settings: Stripes, key: str) -> dict[str, Any]:
    left, right = st.columns(2)
    below, beside = st.columns(2)
    return {
        "filter_share": left.number_input(
            LABELS["filter_share"], value=settings.filter_share, step=0.05,
            key=f"sparse_share_{key}",
            help="Share of the epochs in which whole filters are pruned, before stripes.",
        ),
        "filter_part": right.number_input(
            LABELS["filter_part"], value=settings.filter_part, step=0.05,
            key=f"sparse_part_{key}",
            help="Share of the MACs reduction that comes from whole filters. 0: stripes only.",
        ),
        "dead_gate": below.number_input(
            LABELS["dead_gate"], value=settings.dead_gate, step=0.01,
            key=f"sparse_gate_{key}",
            help="Each stripe is multiplied by its gate, 1 at first. A stripe is pruned once its "
            "gate is at or below this value.",
        ),
        "reactivation": int(beside.number_input(
            LABELS["reactivation"], value=settings.reactivation, key=f"sparse_back_{key}",
            help="A pruned stripe is restored if its gate rises again within this many epochs.",
        )),
    }  # fmt: skip


def advanced(settings: SparseSettings, key: str) -> dict[str, Any]:
    """Draw momentum, weight decay and seed; returns their values by setting.

    Args:
        settings: The initial values.
        key: Suffix of the fields' keys.
    """
    left, right = st.columns(2)
    return {
        "momentum": left.number_input(
            LABELS["momentum"], value=settings.momentum, step=0.05, key=f"sparse_momentum_{key}"
        ),
        "weight_decay": right.number_input(
            LABELS["weight_decay"], value=settings.weight_decay, step=0.0001, format="%.5f",
            key=f"sparse_decay_{key}",
            help="Pulls the weights towards 0, except those that the method itself penalizes.",
        ),
        "seed": int(left.number_input(
            LABELS["seed"], value=settings.seed, key=f"sparse_seed_{key}"
        )),
    }  # fmt: skip
