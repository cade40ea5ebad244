"""Recipe: what was asked, without layer names, so that it fits any network. Named recipes below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from sfp_viz.errors import RecipeError

Goal = Literal["macs", "params", "memory", "latency"]
Similarity = Literal["cosine", "euclidean", "correlation", "activation"]
Clustering = Literal["kmeans", "agglomerative", "average", "complete", "spectral", "hdbscan"]
ClusterRule = Literal["share", "one_each", "threshold", "silhouette"]
Criterion = Literal[
    "l1", "l2", "group_magnitude", "fpgm", "bn_scale", "taylor", "hrank", "chip",
    "reconstruction", "random",
]  # fmt: skip
Selection = Literal["clusters", "ranking"]
Strategy = Literal["dispersion", "uniform", "pooled", "functional", "sensitivity"]
Dispersion = Literal["nearest", "effective_rank", "mean", "activation"]
Compensation = Literal["none", "bias", "merge", "scale", "lsq_channel", "lsq_window"]
Coupled = Literal["protect", "shared", "pacesetter"]

CHOICES: dict[str, tuple[str, ...]] = {
    "goal": get_args(Goal),
    "similarity": get_args(Similarity),
    "clustering": get_args(Clustering),
    "cluster_rule": get_args(ClusterRule),
    "criterion": get_args(Criterion),
    "allocation": get_args(Strategy),
    "dispersion": get_args(Dispersion),
    "selection": get_args(Selection),
    "compensation": get_args(Compensation),
    "coupled": get_args(Coupled),
}


@dataclass(frozen=True)
class Recipe:
    """How a plan is made; hashable, so it is a cache key. Defaults: docs/method.md (our reading).

    ``target_reduction``: share of ``goal`` to remove, 0..1: 'macs', 'params', 'memory' (peak of
    activations) or 'latency' (estimated from a table measured on this machine).
    ``allocation``: 'dispersion' gives each group a ratio by its Kernel Dispersion to the power
    ``gamma``; 'uniform' the same to all; 'pooled' one threshold on the importance of all filters;
    'functional' by the error that the next layers cannot make up for; 'sensitivity' by measured
    accuracy. ``max_ratio``: no group loses more than this share of its filters. ``rounding``:
    kept units are a multiple of this, where the target can still be met. ``selection``:
    'clusters' picks inside each cluster, 'ranking' takes the most important of the whole group.
    ``cluster_rule``: how many clusters: 'share' is ``kappa`` for each kept filter, 'one_each' one
    for each, 'threshold' cuts where similarity falls below 0.5, 'silhouette' the best separated.
    ``balance``: 1 pure importance, 0 pure diversity. ``coupled``: 'protect' leaves groups of more
    than one layer (tied by a residual addition) whole unless edits say otherwise; 'shared'
    cuts them as one; 'pacesetter' as one, by the filters of the first layer.
    Numbers are rounded to 6 digits. What a recipe needs besides weights: evidence.py.
    """

    target_reduction: float = 0.5
    goal: Goal = "macs"
    similarity: Similarity = "cosine"
    clustering: Clustering = "kmeans"
    cluster_rule: ClusterRule = "share"
    kappa: float = 0.5
    criterion: Criterion = "l1"
    selection: Selection = "clusters"
    balance: float = 0.5
    allocation: Strategy = "dispersion"
    dispersion: Dispersion = "nearest"
    gamma: float = 2.0
    max_ratio: float = 0.9
    rounding: int = 1
    compensation: Compensation = "none"
    coupled: Coupled = "protect"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise RecipeError(
                    f"'{getattr(self, name)}' is no {name}. Choose one of: {', '.join(known)}."
                )
        for name, low, high in (
            ("target_reduction", 0.0, 0.99),
            ("balance", 0.0, 1.0),
            ("max_ratio", 0.0, 0.99),
            ("kappa", 0.01, 1.0),
            ("gamma", 0.0, 16.0),
        ):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not low <= value <= high:
                raise RecipeError(f"{name} is a number from {low:g} to {high:g}, not {value!r}.")
            object.__setattr__(self, name, round(float(value), 6))
        if not isinstance(self.rounding, int) or not 1 <= self.rounding <= 64:
            raise RecipeError(f"rounding is a whole number from 1 to 64, not {self.rounding!r}.")
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**31:
            raise RecipeError(f"seed is a whole number from 0 to 2,147,483,647, not {self.seed!r}.")


def paper_sfp(target_reduction: float = 0.5, **changes) -> Recipe:
    """Our reading of SFP (docs/method.md): cosine, k-means, L1, Kernel Dispersion, bias."""
    return Recipe(target_reduction=target_reduction, **{"compensation": "bias", **changes})


def uniform_l1(target_reduction: float = 0.5, **changes) -> Recipe:
    """The baseline of Li et al. 2017: the same ratio everywhere, the smallest L1 norms go."""
    return _uniform("l1", target_reduction, changes)


def global_l1(target_reduction: float = 0.5, **changes) -> Recipe:
    """One threshold for all filters on their L1 norm, each group's divided by its mean."""
    return _uniform("l1", target_reduction, {"allocation": "pooled", **changes})


def random(target_reduction: float = 0.5, **changes) -> Recipe:
    """The floor of every comparison: the same ratio everywhere, filters drawn by the seed."""
    return _uniform("random", target_reduction, changes)


def fpgm(target_reduction: float = 0.5, **changes) -> Recipe:
    """Filters nearest the geometric median go (He et al. 2019); the same ratio everywhere."""
    return _uniform("fpgm", target_reduction, changes)


def bn_scale(target_reduction: float = 0.5, **changes) -> Recipe:
    """Filters with the smallest BatchNorm scale go (Liu et al. 2017); the same ratio everywhere."""
    return _uniform("bn_scale", target_reduction, changes)


def group_magnitude(target_reduction: float = 0.5, **changes) -> Recipe:
    """Filter, norm and the next layers' slices together (Fang et al. 2023); the same ratio."""
    return _uniform("group_magnitude", target_reduction, changes)


def taylor(target_reduction: float = 0.5, **changes) -> Recipe:
    """First-order change of the loss (Molchanov et al. 2019), seen on images; the same ratio."""
    return _uniform("taylor", target_reduction, changes)


def hrank(target_reduction: float = 0.5, **changes) -> Recipe:
    """Mean rank of feature maps (Lin et al. 2020), seen on images; the same ratio everywhere."""
    return _uniform("hrank", target_reduction, changes)


def chip(target_reduction: float = 0.5, **changes) -> Recipe:
    """Channel independence (Sui et al. 2021), seen on images; the same ratio everywhere."""
    return _uniform("chip", target_reduction, changes)


def functional(target_reduction: float = 0.5, **changes) -> Recipe:
    """Redundancy by function (our design): widths by what the next layers cannot make up for, the
    filters they can spare go, and least squares makes up for them; needs images."""
    ours = {
        "allocation": "functional",
        "criterion": "reconstruction",
        "selection": "ranking",
        "compensation": "lsq_window",
    }
    return Recipe(target_reduction=target_reduction, **{**ours, **changes})


default = functional  # the winner of benchmarks/accuracy_at_cost.py; without images: 'similarity'
DEFAULT = "functional"


def _uniform(criterion: str, target_reduction: float, changes: dict) -> Recipe:
    plain = {"allocation": "uniform", "selection": "ranking", "criterion": criterion}
    return Recipe(target_reduction=target_reduction, **{**plain, **changes})


NAMED = {
    "similarity": Recipe,
    "paper_sfp": paper_sfp,
    "functional": functional,
    "uniform_l1": uniform_l1,
    "global_l1": global_l1,
    "group_magnitude": group_magnitude,
    "fpgm": fpgm,
    "bn_scale": bn_scale,
    "taylor": taylor,
    "hrank": hrank,
    "chip": chip,
    "random": random,
}


# What a recipe is asked for: it keeps its name whatever these say.
FREE = ("target_reduction", "goal", "max_ratio", "rounding", "coupled", "seed")


def name_of(recipe: Recipe) -> str:
    """What a recipe is called ('functional', 'uniform_l1' ...), however much of what it removes
    and wherever it must not; '' for one that has no name."""
    choices = {name: getattr(recipe, name) for name in FREE}
    return next((name for name, make in NAMED.items() if make(**choices) == recipe), "")


WITHOUT_IMAGES: tuple[Compensation, ...] = ("none", "merge")  # these need the weights alone
REFITS: tuple[Compensation, ...] = ("lsq_channel", "lsq_window")  # fitted, so they may err
