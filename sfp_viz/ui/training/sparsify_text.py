"""What the ways of pruning while training are called, and what they do, in plain words."""

from __future__ import annotations

from sfp_viz.core.training.sparsification import AULM, Method, Sparsification
from sfp_viz.text.numbers import percent

METHODS: dict[Method, str] = {
    "ssr_l21": "SSR, steady pull (l2,1)",
    "ssr_l20": "SSR, keep or drop (l2,0)",
    "ssr_projection": "SSR, to an exact target",
    "group_lasso": "Group lasso, plain",
    "proximal": "Group lasso, proximal steps",
    "stripes": "Multi-granularity, with stripes",
}
ABOUT = (
    "SSR is structured sparsity regularization: whole filters are driven to 0 while the network "
    "learns. Group lasso is the older way, to compare with. Multi-granularity cuts filters first, "
    "then parts of them."
)
WHAT: dict[Method, str] = {
    "ssr_l21": "The network is pulled towards a sparse copy of itself, in which every filter is a "
    "little shorter than in the network. Weak filters reach 0 in the copy, and go.",
    "ssr_l20": "The network is pulled, ever harder, towards a sparse copy of itself. In the copy a "
    "filter is either as it is or 0: strong ones are left alone, weak ones go.",
    "ssr_projection": "The network is pulled towards a sparse copy of itself, in which just as "
    "many filters stay as meet the target, the strongest for what they cost.",
    "group_lasso": "The length of every filter is added to the loss. The plain way, to compare "
    "with: filters come near 0 but never reach it, so a cutoff decides.",
    "proximal": "After each step of training every filter is made a little shorter; weak ones "
    "reach 0. Without a copy, to compare with.",
    "stripes": "First whole filters go, then stripes: single positions of a filter's window, over "
    "all its channels. Filters whose number is tied to other layers only lose stripes.",
}
STRIPES_COST = (
    "Stripes lower the counted MACs, hardly ever the time: skipping them usually loses on a CPU. "
    "Each layer is measured every way at the end, and keeps the fastest. For less time, choose a "
    "method that removes whole filters."
)
SOURCES: dict[Method, str] = {
    "ssr_l21": "Lin et al. 2019",
    "ssr_l20": "Lin et al. 2019",
    "ssr_projection": "after Lin et al. 2019, the projection is ours",
    "group_lasso": "the rival in Lin et al. 2019",
    "proximal": "the rival in Lin et al. 2019",
    "stripes": "Liu and Chen 2023, our reading",
}


def exact(settings: Sparsification) -> bool:
    """Whether a target of MACs decides how much goes, and not the penalty alone."""
    return settings.method in ("ssr_projection", "stripes") or settings.finish == "target"


def plan_words(settings: Sparsification, groups: int, tuning: int) -> str:
    """What will happen, in sentences: ``groups`` may lose filters, ``tuning`` epochs follow."""
    much = "until no weak ones are left"
    if exact(settings):
        much = f"so that {percent(settings.target_reduction, 0)} of the MACs are gone at the end"
    if settings.method == "stripes":
        first = round(settings.filter_share * settings.epochs)
        text = f"Filters go for about {_epochs(first)}, then stripes in all layers, {much}. "
    elif settings.order == "layers":
        text = (
            f"One after the other, {groups} groups of filters train for {_epochs(settings.epochs)} "
            f"each, {much}. "
        )
    else:
        pull = "pulled towards their copy" if settings.method in AULM else "shortened"
        text = (
            f"For {_epochs(settings.epochs)} the network trains on labels while the filters of "
            f"{groups} groups are {pull}, {much}. "
        )
    text += f"In the last {percent(settings.settle, 0)} what goes is settled, the rest trains on. "
    if tuning:
        return text + (
            f"Then the small network is fine-tuned for {_epochs(tuning)}, with the unpruned one "
            "as its teacher. "
        )
    return text + "The small network is kept as it is then. "


def _epochs(count: int) -> str:
    return f"{count} epoch{'' if count == 1 else 's'}"
