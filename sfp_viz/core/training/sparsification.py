"""Settings of a sparse training, one record for each method. No torch.

SSR with its AULM solver (Lin et al. 2019), group lasso, multi-granularity pruning: docs/method.md.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, get_args

from sfp_viz.core.training.distillation import Augmentation
from sfp_viz.errors import RecipeError

Method = Literal["ssr_l21", "ssr_l20", "ssr_projection", "group_lasso", "proximal", "stripes"]
Order = Literal["whole", "layers"]
Weights = Literal["relative", "size", "plain"]
Finish = Literal["found", "target"]

METHOD_NAMES = {
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
TUNING_RATE = 0.25  # of the learning rate, after pruning: distillation is hard on shrunken outputs
MIN_RHO_RATIO = 1.5  # of rho to lambda, below which l2,0 did not converge (our measurement)

_CHOICES = {"weights": Weights, "order": Order, "finish": Finish, "augmentation": Augmentation}
_RANGES = {
    "strength": (0.0, 1e6), "rho": (0.0, 1e6), "growth": (1.0, 10.0), "rho_most": (0.0, 1e6),
    "target_reduction": (0.0, 0.95), "cutoff": (0.0, 0.5), "momentum": (0.0, 0.999),
    "weight_decay": (0.0, 1.0), "filter_share": (0.0, 0.8), "filter_part": (0.0, 1.0),
    "settle": (0.05, 0.8), "dead_gate": (0.0, 0.5),
}  # fmt: skip
_LEAST = {
    "refresh": 1, "epochs": 1, "batch_size": 1, "seed": 0, "reactivation": 0, "train_images": 1,
    "test_images": 0,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SparseSchedule:
    """What the settings of all methods have in common. The network trains on labels.

    Attributes:
        method: The method.
        target_reduction: Share of the MACs to remove, 0 to 0.95, where ``meets_target``.
        weights: The unit of lambda in each group. 'plain': the same number (the authors). 'size':
            times sqrt(values of a row) and the group's share of MACs. 'relative': rows are measured
            in units of the group's mean norm at the start, times the share of MACs, so that one
            number fits every network (ours). The share of MACs is what one filter costs over the
            mean, kept within 0.25 to 4.
        refresh: Steps between updates of copy and multiplier, and between lines of the history.
        order: 'whole' network at once, or 'layers': one group after the other, ``epochs`` each,
            and only its own values train (the authors' LeNet).
        coupled: Whether groups of layers tied by an addition are made sparse too, their rows
            together.
        epochs: Epochs of the whole training (of each group with 'layers').
        batch_size: Images in a batch.
        learning_rate: Held until pruned rows are frozen, then a cosine to 0.
        momentum: Of SGD, below 1.
        weight_decay: Of parameters that the method does not penalize itself.
        augmentation: How images are changed.
        train_images: How many to train on; None for all.
        test_images: How many to measure the accuracy on; None for all.
        seed: Draws batches and augmentation.
        settle: Share of the epochs at the end, 0.05 to 0.8, in which pruned rows are frozen at 0
            and nothing is penalized.

    Raises:
        RecipeError: A value makes no sense; the message says what does.
    """

    METHODS: ClassVar[tuple[Method, ...]] = ()

    method: Method
    target_reduction: float = 0.5
    weights: Weights = "relative"
    refresh: int = 50
    order: Order = "whole"
    coupled: bool = False
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

    def __post_init__(self) -> None:
        if self.method not in self.METHODS:
            raise _no_choice("method", self.method, self.METHODS)
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if name in _CHOICES and value not in get_args(_CHOICES[name]):
                raise _no_choice(name, value, get_args(_CHOICES[name]))
            if name in _RANGES:
                low, high = _RANGES[name]
                if not isinstance(value, int | float) or not low <= value <= high:
                    raise RecipeError(
                        f"{name} is a number from {low:g} to {high:g}, not {value!r}."
                    )
            every = value is None and name.endswith("_images")
            if name in _LEAST and not every:
                low = _LEAST[name]
                if not isinstance(value, int) or not low <= value < 2**31:
                    raise RecipeError(f"{name} is a whole number from {low} on, not {value!r}.")
        if not 0 < self.learning_rate < math.inf:
            raise RecipeError(f"The learning rate must be above 0, not {self.learning_rate}.")
        if self.order == "layers" and self.meets_target:
            raise RecipeError(
                "One layer after the other cannot meet a target of the whole network. Set order "
                "to 'whole', or finish to 'found' with a penalty."
            )

    @property
    def meets_target(self) -> bool:
        """Whether ``target_reduction`` decides how much is pruned, and not a penalty alone."""
        return True


@dataclass(frozen=True, kw_only=True)
class _Copy(SparseSchedule):
    """AULM: SGD, a step on a sparse copy of the weights, and a multiplier take turns.

    Attributes:
        rho: Pull between weights and copy, above 0 (0 would be plain SGD). In units of the mean
            norm with 'relative' weights.
        growth: What rho is multiplied by at every refresh, 1 or more; None: 1.05 for 'ssr_l20',
            else 1.
        rho_most: The largest rho.
        finish: 'target': the rows with the largest norms that meet the target are kept; 'found':
            those that are not 0 in the copy.
    """

    rho: float = 1.0
    growth: float | None = None
    rho_most: float = 10.0
    finish: Finish = "found"

    def __post_init__(self) -> None:
        if self.growth is None:
            object.__setattr__(self, "growth", 1.05 if self.method == "ssr_l20" else 1.0)
        super().__post_init__()
        if self.rho == 0:
            raise RecipeError(
                "With rho 0 nothing ties the weights to their sparse copy: that would be plain "
                "SGD. Give rho a value above 0, such as 1."
            )
        if self.rho_most < self.rho:
            raise RecipeError(f"rho_most {self.rho_most:g} is below rho {self.rho:g}; raise it.")


@dataclass(frozen=True, kw_only=True)
class _Penalty(SparseSchedule):
    """A penalty on rows or gates.

    Attributes:
        strength: Lambda, 0 or more; None takes the method's (STRENGTHS).
    """

    strength: float | None = None

    def __post_init__(self) -> None:
        if self.strength is None:
            object.__setattr__(self, "strength", STRENGTHS.get(self.method))
        super().__post_init__()


@dataclass(frozen=True, kw_only=True)
class SSR(_Penalty, _Copy):
    """Structured sparsity regularization (Lin et al. 2019): a penalty l2,1 or l2,0 on the copy.

    With 'ssr_l20' rho is raised to 1.5 times its lambda in each group where it is below (the
    training says so), and ``rho_most`` must allow that.
    """

    METHODS = ("ssr_l21", "ssr_l20")

    method: Literal["ssr_l21", "ssr_l20"] = "ssr_l21"

    def __post_init__(self) -> None:
        super().__post_init__()
        # some group's lambda is at least ``strength``, however groups are weighed
        least = MIN_RHO_RATIO * (self.strength or 0.0)
        if self.method == "ssr_l20" and least > self.rho_most:
            raise RecipeError(
                f"l2,0 does not converge at lambda {self.strength:g}: rho must be at least "
                f"{MIN_RHO_RATIO:g} times that, {least:g}, but may not rise above rho_most "
                f"{self.rho_most:g}. Lower lambda, or raise rho_most."
            )

    @property
    def meets_target(self) -> bool:
        return self.finish == "target"


@dataclass(frozen=True, kw_only=True)
class SSRProjection(_Copy):
    """AULM whose copy is projected onto ``target_reduction`` instead of penalized, so that the
    target is met exactly (ours)."""

    METHODS = ("ssr_projection",)

    method: Literal["ssr_projection"] = "ssr_projection"

    @property
    def strength(self) -> float:
        """0: there is no penalty."""
        return 0.0


@dataclass(frozen=True, kw_only=True)
class GroupLasso(_Penalty):
    """SGD on the loss plus the l2,1 penalty.

    Attributes:
        finish: 'target': the rows with the largest norms that meet the target are kept; 'found':
            those above ``cutoff``.
        cutoff: Share of the largest norm of a group up to which rows are pruned, as SGD never
            reaches 0.
    """

    METHODS = ("group_lasso",)

    method: Literal["group_lasso"] = "group_lasso"
    finish: Finish = "found"
    cutoff: float = 0.05

    @property
    def meets_target(self) -> bool:
        return self.finish == "target"


@dataclass(frozen=True, kw_only=True)
class ProximalLasso(_Penalty):
    """Proximal SGD on the l2,1 penalty.

    Attributes:
        finish: 'target': the rows with the largest norms that meet the target are kept; 'found':
            those above 0.
    """

    METHODS = ("proximal",)

    method: Literal["proximal"] = "proximal"
    finish: Finish = "found"

    @property
    def meets_target(self) -> bool:
        return self.finish == "target"


@dataclass(frozen=True, kw_only=True)
class Stripes(_Penalty):
    """Multi-granularity pruning (Liu and Chen 2023, our reading): filters first, then positions of
    each filter's window. Gates have no weight decay, rows do.

    Attributes:
        filter_share: Share of the epochs at filter level; in the last ``settle`` stripes are fixed.
        filter_part: Share of the reduction that filters make (exponent of the MACs left).
        dead_gate: Gates up to this value count as 0.
        reactivation: Epochs within which such a gate comes back if it rises again.
    """

    METHODS = ("stripes",)

    method: Literal["stripes"] = "stripes"
    filter_share: float = 0.4
    filter_part: float = 0.5
    dead_gate: float = 0.01
    reactivation: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.filter_share + self.settle >= 1:
            raise RecipeError("filter_share and settle leave no epochs for the stripes.")


SparseSettings = SSR | SSRProjection | GroupLasso | ProximalLasso | Stripes
_RECORDS: dict[str, type[SparseSettings]] = {
    method: record for record in get_args(SparseSettings) for method in record.METHODS
}


def sparse_settings(method: str = "ssr_l21", **values: Any) -> SparseSettings:
    """The settings of a method.

    Args:
        method: The method.
        values: Its settings by name. Those that only other methods have are left out, as in files
            of version 0.1, which name all of them.

    Raises:
        RecipeError: The method is unknown, or a value makes no sense.
        TypeError: No method has a setting of this name.
    """
    if method not in _RECORDS:
        raise _no_choice("method", method, get_args(Method))
    users = {name: methods_with(name) for name in values}
    used: dict[str, Any] = {n: v for n, v in values.items() if not users[n] or method in users[n]}
    used["method"] = method
    return _RECORDS[method](**used)


def methods_with(setting: str) -> tuple[Method, ...]:
    """The methods that have a setting; () for a name that is none."""
    return tuple(
        method
        for method in get_args(Method)
        if any(field.name == setting for field in fields(_RECORDS[method]))
    )


def check_used(settings: SparseSettings, names: Collection[str]) -> None:
    """Check that settings which a person chose have an effect.

    Args:
        settings: All settings.
        names: Names of those that were chosen; others than settings are ignored.

    Raises:
        RecipeError: One of them has none with this method or goal.
    """
    for name in names:
        methods = methods_with(name)
        if methods and settings.method not in methods:
            raise RecipeError(
                f"The method {settings.method} has no use for {name}, which is for "
                f"{', '.join(methods)}. Leave it out, or choose another method."
            )
    if "target_reduction" in names and not settings.meets_target:
        raise RecipeError(
            "With finish 'found' the penalty decides how many filters are kept, so a target does "
            "nothing. Leave the target out, or set finish to 'target'."
        )
    if "cutoff" in names and settings.meets_target:
        raise RecipeError(
            "With finish 'target' the largest filters that meet it are kept, so a cutoff decides "
            "nothing. Leave the cutoff out, or set finish to 'found'."
        )


def learning_rate(settings: SparseSettings, progress: float) -> float:
    """Learning rate at a step: held until pruned rows are frozen, then a cosine to 0.

    Args:
        settings: The highest learning rate, and the share of epochs in which rows are frozen.
        progress: Share of all steps that is done, 0..1.
    """
    frozen = max(0.0, (progress - (1 - settings.settle)) / settings.settle)
    return settings.learning_rate * (1 + math.cos(math.pi * min(1.0, frozen))) / 2


def _no_choice(name: str, value: object, choices: Collection[str]) -> RecipeError:
    return RecipeError(f"'{value}' is no {name}. Choose one of: {', '.join(choices)}.")
