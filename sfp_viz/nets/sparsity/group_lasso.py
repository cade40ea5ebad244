"""The group lasso without a copy: SGD on loss plus penalty, or proximal SGD; AULM's rivals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.core.network import Network
from sfp_viz.core.training.proximal import alive, shrink_factors
from sfp_viz.core.training.sparsification import LEAST_RATIO, Sparsification
from sfp_viz.errors import RecipeError
from sfp_viz.nets.sparsity.filter_rows import Rows, shares_of


@dataclass(frozen=True)
class Scales:
    """By group: ``strengths``, lambda of its rows, ``units``, the norm that counts as 1, and
    ``lifts``, what rho is multiplied by. ``notes`` say where that is more than 1."""

    strengths: Mapping[str, float]
    units: Mapping[str, float]
    lifts: Mapping[str, float]
    notes: tuple[str, ...] = ()


def scales_of(
    rows: Sequence[Rows],
    weights: Mapping[str, Tensor],
    network: Network,
    settings: Sparsification,
) -> Scales:
    """Lambda, unit and lift of each group at the start of a training, as ``settings.weights`` says.

    With 'relative', V / m with m the mean norm stands for V: an l2,1 penalty lambda ||V|| / m and
    a pull rho ||V - F||^2 / (2 m^2), so nothing changes when a group is scaled.
    """
    units = {r.group: 1.0 for r in rows}
    if settings.weights == "relative":
        units = {r.group: max(1e-12, float(r.norms(weights).mean())) for r in rows}
    base = float(settings.strength or 0.0)
    if settings.weights == "plain":
        plain = {r.group: base for r in rows}
        return Scales(plain, units, *lifts_of(plain, settings))
    shares = shares_of(network, [r.group for r in rows])
    strengths = {}
    for r in rows:
        by_size = np.sqrt(r.values) if settings.weights == "size" else 1.0
        # the l2,0 penalty counts rows, so it has no norm to be measured in
        unit = 1.0 if settings.method == "ssr_l20" else units[r.group]
        strengths[r.group] = float(base * shares[r.group] * by_size / unit)
    return Scales(strengths, units, *lifts_of(strengths, settings))


def lifts_of(
    strengths: Mapping[str, float], settings: Sparsification
) -> tuple[dict[str, float], tuple[str, ...]]:
    """By group, what rho is multiplied by, and a sentence where that is more than 1.

    l2,0 drops a row of norm up to sqrt(2 lambda / rho) and did not converge with rho below 1.5
    times lambda (docs/method.md). lambda of a group is up to 4 times the one that was asked for, by
    its share of MACs, and with 'size' sqrt(values of a row) times: there rho is as much larger as
    that takes. RecipeError where it would be above ``rho_most``.
    """
    if settings.method != "ssr_l20":
        return dict.fromkeys(strengths, 1.0), ()
    lifts = {n: max(1.0, LEAST_RATIO * each / settings.rho) for n, each in strengths.items()}
    group = max(lifts, key=lambda name: lifts[name])
    most = lifts[group] * settings.rho
    words = (
        f"lambda is {strengths[group]:.3g} for '{group}', by its MACs and the weights it is given"
    )
    if most > settings.rho_most:
        raise RecipeError(
            f"l2,0 would not converge: {words}, and rho must be at least {LEAST_RATIO:g} times "
            f"that, but may not rise above rho_most {settings.rho_most:g}. Lower lambda, raise "
            "rho_most, or weigh groups as 'relative'."
        )
    if lifts[group] == 1:
        return lifts, ()
    return lifts, (f"rho is {most:.3g} there instead of {settings.rho:g}: {words}.",)


class GroupLasso:
    """SGD on the penalty's subgradient lambda V / ||V||, or a proximal step after every step."""

    def __init__(
        self,
        module: nn.Module,
        rows: Sequence[Rows],
        scales: Scales,
        settings: Sparsification,
    ) -> None:
        self.rows, self._scales, self._settings = rows, scales, settings
        every = dict(module.named_parameters())
        self._weights = {part.name: every[part.name] for r in rows for part in r.parts}
        self.rho = 0.0
        self._saved: set[str] = set()

    def pull(self, rate: float) -> None:
        """Add the penalty's subgradient to the gradients (0 for rows at 0)."""
        if self._settings.method == "proximal":
            return
        for r in self.rows:
            norms = r.norms(self._weights)
            slopes = self._scales.strengths[r.group] / norms.clamp(min=1e-12) * (norms > 1e-12)
            for part in r.parts:
                weight = self._weights[part.name]
                if weight.grad is not None:
                    weight.grad.addcmul_(weight.detach(), part.along(weight, slopes, 0.0))

    def stepped(self, rate: float, step: int) -> None:
        """The proximal step; a group keeps its largest row. With momentum a gradient moves the
        weights by rate / (1 - momentum) in all, so the threshold is lambda times that."""
        if self._settings.method != "proximal":
            return
        rate = rate / (1 - self._settings.momentum)
        for r in self.rows:
            norms = r.norms(self._weights)
            factors = shrink_factors(norms, rate * self._scales.strengths[r.group])
            most = norms.argmax()
            factors[most] = torch.where(factors[most] > 0, factors[most], 1.0)
            r.scale(self._weights, factors)

    def refresh(self, progress: float) -> tuple[str, ...]:
        """Nothing to set; a sentence about each group that has one filter left."""
        left = {name for name, stays in self.live().items() if stays.sum() == 1 < len(stays)}
        new, self._saved = left - self._saved, left
        return tuple(
            f"The penalty leaves '{name}' one filter, its largest. Lower lambda."
            for name in sorted(new)
        )

    def live(self) -> dict[str, np.ndarray]:
        """Rows that count: above 0, for SGD on the penalty above the cutoff; bool [units]."""
        found = {}
        share = self._settings.cutoff if self._settings.method == "group_lasso" else 0.0
        for name, norms in self.norms().items():
            found[name] = alive((norms > share * norms.max(initial=0.0)) * 1.0, norms)[0] > 0
        return found

    def norms(self) -> dict[str, np.ndarray]:
        """Norm of each row, by group."""
        return {r.group: r.norms(self._weights).cpu().numpy() for r in self.rows}

    def residual(self) -> dict[str, float]:
        """Without a copy there is none."""
        return {}

    def hardened(self) -> dict[str, Tensor]:
        """The weights are what they are."""
        return {}

    def state(self) -> dict[str, Tensor]:
        """Which groups were named already."""
        names = [r.group for r in self.rows]
        return {"saved": torch.tensor([name in self._saved for name in names])}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up a ``state``; KeyError when it does not fit."""
        told = state["saved"].tolist()
        self._saved = {r.group for r, said in zip(self.rows, told, strict=True) if said}
