"""Recipe: what was asked, without layer names, so that it fits any network. Named recipes below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sfp_viz.errors import RecipeError

Similarity = Literal["cosine", "euclidean", "correlation"]
Clustering = Literal["kmeans", "agglomerative"]
Criterion = Literal["l1", "l2", "fpgm", "bn_scale", "random"]
Allocation = Literal["dispersion", "uniform"]
Dispersion = Literal["nearest", "effective_rank"]
Coupled = Literal["protect", "shared"]

CHOICES: dict[str, tuple[str, ...]] = {
    "similarity": ("cosine", "euclidean", "correlation"),
    "clustering": ("kmeans", "agglomerative"),
    "criterion": ("l1", "l2", "fpgm", "bn_scale", "random"),
    "allocation": ("dispersion", "uniform"),
    "dispersion": ("nearest", "effective_rank"),
    "selection": ("clusters", "ranking"),
    "compensation": ("none", "bias"),
    "coupled": ("protect", "shared"),
}


@dataclass(frozen=True)
class Recipe:
    """How a plan is made; hashable, so it is a cache key. Defaults: methods.md G (our reading).

    ``target_reduction``: share of MACs to remove, 0..1. ``allocation``: 'dispersion' gives each
    group a ratio by its Kernel Dispersion to the power ``gamma``; 'uniform' the same to all.
    ``max_ratio``: no group loses more than this share of its filters. ``rounding``: kept units
    are a multiple of this, where the target can still be met. ``selection``: 'clusters' picks
    inside each cluster, 'ranking' takes the most important of the whole group.
    ``kappa``: clusters per kept filter. ``balance``: 1 pure importance, 0 pure diversity.
    ``coupled``: 'protect' leaves groups of more than one layer (tied by a residual addition)
    whole unless edits say otherwise; 'shared' cuts them as one. Numbers are rounded to 6 digits.
    """

    target_reduction: float = 0.5
    similarity: Similarity = "cosine"
    clustering: Clustering = "kmeans"
    kappa: float = 0.5
    criterion: Criterion = "l1"
    selection: Literal["clusters", "ranking"] = "clusters"
    balance: float = 0.5
    allocation: Allocation = "dispersion"
    dispersion: Dispersion = "nearest"
    gamma: float = 2.0
    max_ratio: float = 0.9
    rounding: int = 1
    compensation: Literal["none", "bias"] = "none"
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
    """Our reading of SFP (methods.md G.14): cosine, k-means, L1, Kernel Dispersion, bias."""
    return Recipe(target_reduction=target_reduction, **{"compensation": "bias", **changes})


def uniform_l1(target_reduction: float = 0.5, **changes) -> Recipe:
    """The baseline of Li et al. 2017: the same ratio everywhere, the smallest L1 norms go."""
    plain = {"allocation": "uniform", "selection": "ranking", "criterion": "l1"}
    return Recipe(target_reduction=target_reduction, **{**plain, **changes})


def random(target_reduction: float = 0.5, **changes) -> Recipe:
    """The floor of every comparison: the same ratio everywhere, filters drawn by the seed."""
    plain = {"allocation": "uniform", "selection": "ranking", "criterion": "random"}
    return Recipe(target_reduction=target_reduction, **{**plain, **changes})


def fpgm(target_reduction: float = 0.5, **changes) -> Recipe:
    """Filters nearest the geometric median go (He et al. 2019); the same ratio everywhere."""
    plain = {"allocation": "uniform", "selection": "ranking", "criterion": "fpgm"}
    return Recipe(target_reduction=target_reduction, **{**plain, **changes})


NAMED = {
    "default": Recipe,
    "paper_sfp": paper_sfp,
    "uniform_l1": uniform_l1,
    "fpgm": fpgm,
    "random": random,
}
