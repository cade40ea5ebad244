"""Settings of a training that makes filters or stripes go, and the lines of its history. No torch.

SSR with its AULM solver (Lin et al. 2019), its rivals, multi-granularity pruning: docs/method.md.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

from sfp_viz.core.training.distillation import Augmentation
from sfp_viz.errors import RecipeError

Method = Literal["ssr_l21", "ssr_l20", "ssr_projection", "group_lasso", "proximal", "stripes"]
Order = Literal["whole", "layers"]
Weights = Literal["relative", "size", "plain"]
Finish = Literal["found", "target"]

AULM: tuple[Method, ...] = ("ssr_l21", "ssr_l20", "ssr_projection")
WORDS = {
    "ssr_l21": "SSR, l2,1",
    "ssr_l20": "SSR, l2,0",
    "ssr_projection": "SSR, projection",
    "group_lasso": "group lasso by SGD",
    "proximal": "group lasso by proximal SGD",
    "stripes": "multi-granularity",
}
STRENGTHS = {
    "ssr_l21": 0.1,
    "ssr_l20": 0.3,
    "ssr_projection": 0.0,
    "group_lasso": 0.05,
    "proximal": 0.05,
    "stripes": 0.01,
}
_PENALTIES: tuple[Method, ...] = ("ssr_l21", "ssr_l20", "group_lasso", "proximal")
USED_BY: dict[str, tuple[Method, ...]] = {  # the methods that use a setting; the others are for all
    "strength": (*_PENALTIES, "stripes"),
    "rho": AULM,
    "growth": AULM,
    "rho_most": AULM,
    "cutoff": ("group_lasso",),
    "finish": (*_PENALTIES, "ssr_projection"),
    "filter_share": ("stripes",),
    "filter_part": ("stripes",),
    "dead_gate": ("stripes",),
    "reactivation": ("stripes",),
}
TUNED = 0.25  # of the learning rate, after the cut: the teacher's pull is hard on shrunken outputs
_GROWTH = {"ssr_l20": 1.05}  # the others need none
LEAST_RATIO = 1.5  # of rho to lambda, below which l2,0 did not converge (our finding)


@dataclass(frozen=True)
class Sparsification:
    """How a network is made sparse while it trains on labels (cross-entropy).

    ``method``: 'ssr_l21' and 'ssr_l20' alternate SGD, a proximal step on a copy and a multiplier
    (AULM); 'ssr_projection' projects the copy onto ``target_reduction`` instead, so the target is
    met exactly; 'group_lasso' is SGD on loss plus l2,1 penalty, 'proximal' proximal SGD;
    'stripes' goes from filters to positions of each filter's window.
    ``strength``: lambda, 0 or more; None takes the method's (STRENGTHS). ``weights`` says in what
    unit: 'plain' the same number for every group (the authors); 'size' times sqrt(values of a
    row) and the group's share of MACs (G.9); 'relative' measures rows in units of the group's
    mean norm at the start, times the share of MACs, so that one number fits every network (ours).
    The share of MACs is what goes with one filter over the mean, kept within 0.25 to 4.
    ``rho``: pull between weights and copy, above 0 for SSR (0 would be plain SGD and is refused);
    times ``growth`` (1 or more; None: 1.05 for 'ssr_l20', else 1) at every refresh, up to
    ``rho_most``; for 'ssr_l20' it is lifted to 1.5 times its lambda in each group where it is below
    (the training says so), and ``rho_most`` must allow that. With 'relative' it is in units of the
    mean norm too.
    ``refresh``: steps between updates of copy and multiplier.
    ``order``: 'whole' network at once, or 'layers' one group after the other, ``epochs`` each,
    only its own values trained (the authors' LeNet). ``coupled``: also groups of layers tied by an
    addition, their rows together.
    ``target_reduction``: share of MACs to remove, 0 to 0.95, for 'ssr_projection', 'stripes' and
    ``finish`` = 'target': the rows with the largest norms stay, as many as meet it; with 'found'
    those stay that the penalty left. ``cutoff``: rows below this share of their group's largest
    count as gone for 'group_lasso', which never reaches 0.
    ``epochs`` of the whole training; in the last ``settle`` of them (share, 0.05 to 0.8) what goes
    is decided and at 0, nothing pulls, and the ``learning_rate``, held until then, falls to 0 by a
    cosine. Rows under a penalty have no ``weight_decay`` besides, except for 'stripes', whose gates
    have none.
    For stripes: ``filter_share`` of the epochs at filter level, doing ``filter_part`` of the
    work (exponents of the share of MACs left); in the last ``settle`` stripes are fixed. Gates up
    to ``dead_gate`` count as 0, and come back if they rise above it within ``reactivation`` epochs.
    """

    method: Method = "ssr_l21"
    strength: float | None = None
    weights: Weights = "relative"
    rho: float = 1.0
    growth: float | None = None
    rho_most: float = 10.0
    refresh: int = 50
    order: Order = "whole"
    coupled: bool = False
    target_reduction: float = 0.5
    finish: Finish = "found"
    cutoff: float = 0.05
    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 5e-4
    augmentation: Augmentation = "crop_flip"
    train_images: int | None = None
    test_images: int | None = None
    seed: int = 0
    settle: float = 0.25
    filter_share: float = 0.4
    filter_part: float = 0.5
    dead_gate: float = 0.01
    reactivation: int = 5

    def __post_init__(self) -> None:
        for name, kind in (
            ("method", Method), ("weights", Weights), ("order", Order), ("finish", Finish),
            ("augmentation", Augmentation),
        ):  # fmt: skip
            if getattr(self, name) not in get_args(kind):
                raise RecipeError(
                    f"'{getattr(self, name)}' is no {name}. Choose one of: "
                    f"{', '.join(get_args(kind))}."
                )
        if self.strength is None:
            object.__setattr__(self, "strength", STRENGTHS[self.method])
        if self.growth is None:
            object.__setattr__(self, "growth", _GROWTH.get(self.method, 1.0))
        self._check_numbers()
        if self.method in AULM:
            self._check_pull()
        exact = self.method in ("stripes", "ssr_projection") or self.finish == "target"
        if self.order == "layers" and exact:
            raise RecipeError(
                "One layer after the other cannot meet a target of the whole network. Set order "
                "to 'whole', or finish to 'found' with a penalty."
            )

    def _check_numbers(self) -> None:
        for name, low, high in (
            ("strength", 0.0, 1e6), ("rho", 0.0, 1e6), ("growth", 1.0, 10.0),
            ("rho_most", 0.0, 1e6), ("target_reduction", 0.0, 0.95), ("cutoff", 0.0, 0.5),
            ("momentum", 0.0, 0.999), ("weight_decay", 0.0, 1.0), ("filter_share", 0.0, 0.8),
            ("filter_part", 0.0, 1.0), ("settle", 0.05, 0.8), ("dead_gate", 0.0, 0.5),
        ):  # fmt: skip
            value = getattr(self, name)
            if not isinstance(value, int | float) or not low <= value <= high:
                raise RecipeError(f"{name} is a number from {low:g} to {high:g}, not {value!r}.")
        for name, low in (
            ("refresh", 1), ("epochs", 1), ("batch_size", 1), ("seed", 0), ("reactivation", 0),
            ("train_images", 1), ("test_images", 0),
        ):  # fmt: skip
            value = getattr(self, name)
            every = value is None and name.endswith("_images")
            if not every and (not isinstance(value, int) or not low <= value < 2**31):
                raise RecipeError(f"{name} is a whole number from {low} on, not {value!r}.")
        if not 0 < self.learning_rate < math.inf:
            raise RecipeError(f"The learning rate must be above 0, not {self.learning_rate}.")
        if self.filter_share + self.settle >= 1 and self.method == "stripes":
            raise RecipeError("filter_share and settle leave no epochs for the stripes.")

    def _check_pull(self) -> None:
        if self.rho == 0:
            raise RecipeError(
                "With rho 0 nothing ties the weights to their sparse copy: that would be plain "
                "SGD. Give rho a value above 0, such as 1."
            )
        if self.rho_most < self.rho:
            raise RecipeError(f"rho_most {self.rho_most:g} is below rho {self.rho:g}; raise it.")
        # some group's lambda is at least ``strength``, however groups are weighed
        least = LEAST_RATIO * (self.strength or 0.0)
        if self.method == "ssr_l20" and least > self.rho_most:
            raise RecipeError(
                f"l2,0 does not converge at lambda {self.strength:g}: rho must be at least "
                f"{LEAST_RATIO:g} times that, {least:g}, but may not rise above rho_most "
                f"{self.rho_most:g}. Lower lambda, or raise rho_most."
            )

    @property
    def words(self) -> str:
        """The method, in words: the start of each filter's reason."""
        return WORDS[self.method]


def check_used(settings: Sparsification, given: Collection[str]) -> None:
    """Raise RecipeError when one of the settings ``given`` by a person does nothing here."""
    for name in given:
        methods = USED_BY.get(name, get_args(Method))
        if settings.method not in methods:
            raise RecipeError(
                f"The method {settings.method} has no use for {name}, which is for "
                f"{', '.join(methods)}. Leave it out, or choose another method."
            )
    aims = settings.finish == "target" or settings.method in ("ssr_projection", "stripes")
    if "target_reduction" in given and not aims:
        raise RecipeError(
            "With finish 'found' those filters stay that the penalty left, so a target does "
            "nothing. Leave the target out, or set finish to 'target'."
        )
    if "cutoff" in given and aims:
        raise RecipeError(
            "With finish 'target' the largest filters that meet it stay, so a cutoff decides "
            "nothing. Leave the cutoff out, or set finish to 'found'."
        )


def learning_rate(settings: Sparsification, progress: float) -> float:
    """Learning rate at ``progress`` 0..1: held until what goes is decided, then a cosine to 0."""
    rest = max(0.0, (progress - (1 - settings.settle)) / settings.settle)
    return settings.learning_rate * (1 + math.cos(math.pi * min(1.0, rest))) / 2
