"""Sparse training in words: its methods, where they come from, and what a run will do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from sfp_viz.core.training.sparsification import (
    METHOD_NAMES,
    SSR,
    Method,
    SparseSettings,
    SSRProjection,
)
from sfp_viz.text.numbers import percent

METHODS: Mapping[Method, str] = {
    name: f"{METHOD_NAMES[name][0].upper()}{METHOD_NAMES[name][1:]}" for name in get_args(Method)
}
ABOUT = (
    "SSR is structured sparsity regularization: it drives whole filters to 0 while the network "
    "trains. Group lasso is the classic method, for comparison. Multi-granularity pruning removes "
    "filters first, then stripes."
)
DESCRIPTIONS: Mapping[Method, str] = {
    "ssr_l21": "The network is pulled towards a sparse copy of itself. In the copy, the norm of "
    "every filter is reduced by the same amount, so weak filters become 0 and are pruned.",
    "ssr_l20": "The network is pulled towards a sparse copy of itself, harder at every refresh. "
    "The copy keeps strong filters unchanged and sets weak ones to 0.",
    "ssr_projection": "The network is pulled towards a sparse copy of itself that meets the "
    "target exactly. The copy keeps the filters with the largest norm for their cost.",
    "group_lasso": "The norm of every filter is added to the loss. For comparison: filters come "
    "close to 0 but never reach it, so a cutoff decides.",
    "proximal": "After each training step a proximal step shrinks every filter, so weak ones "
    "reach 0. For comparison: it needs no sparse copy.",
    "stripes": "Whole filters are pruned first, then stripes: one position of a filter's kernel "
    "across all its input channels. Filters of tied layers only lose stripes.",
}
STRIPES_COST = (
    "Stripes reduce the counted MACs but rarely the latency: on a CPU, skipping them is usually "
    "slower. At the end every layer is timed in each form and keeps the fastest. To reduce "
    "latency, choose a method that prunes whole filters."
)
SOURCES: Mapping[Method, str] = {
    "ssr_l21": "Lin et al. 2019",
    "ssr_l20": "Lin et al. 2019",
    "ssr_projection": "based on Lin et al. 2019; the projection is our addition",
    "group_lasso": "the baseline of Lin et al. 2019",
    "proximal": "the baseline of Lin et al. 2019",
    "stripes": "Liu and Chen 2023, our reading",
}


def schedule_text(settings: SparseSettings, groups: int, tuning_epochs: int) -> str:
    """What a sparse training will do, in sentences that end in a space.

    Args:
        settings: Its settings.
        groups: Number of groups that may lose filters.
        tuning_epochs: Epochs of fine-tuning after it, 0 for none.
    """
    goal = "until no weak filters are left"
    if settings.meets_target:
        goal = f"until {percent(settings.target_reduction, 0)} of the MACs are removed"
    if settings.method == "stripes":
        first = round(settings.filter_share * settings.epochs)
        text = (
            f"Filters are pruned for about {_epochs(first)}, then stripes in all layers, {goal}. "
        )
    elif settings.order == "layers":
        text = (
            f"{groups} groups of filters are trained one after the other, "
            f"{_epochs(settings.epochs)} each, {goal}. "
        )
    else:
        has_copy = isinstance(settings, SSR | SSRProjection)
        action = "pulled towards their sparse copy" if has_copy else "shrunk"
        text = (
            f"The network trains on labels for {_epochs(settings.epochs)} while the filters of "
            f"{groups} groups are {action}, {goal}. "
        )
    text += (
        f"In the last {percent(settings.settle, 0)} of the epochs the pruned filters are fixed at "
        "0 and the rest trains on. "
    )
    if tuning_epochs:
        return text + (
            f"Then the pruned network is fine-tuned for {_epochs(tuning_epochs)}, with the "
            "unpruned one as its teacher. "
        )
    return text + "The pruned network is not fine-tuned. "


def _epochs(count: int) -> str:
    return f"{count} epoch{'' if count == 1 else 's'}"
