"""Lambda, the unit of norms, and the multiple of rho, for each group of a sparse training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from sfp_viz.core.network import Network
from sfp_viz.core.training.projection import rows_within
from sfp_viz.core.training.sparsification import MIN_RHO_RATIO, SparseSettings
from sfp_viz.errors import RecipeError
from sfp_viz.nets.sparsity.filter_rows import Rows, mac_shares


@dataclass(frozen=True)
class Scales:
    """How strongly each group is penalized.

    Attributes:
        strengths: Lambda of its rows, by group.
        units: The norm that counts as 1, by group.
        rho_factors: What rho is multiplied by, by group.
        notes: Sentences that say where that is more than 1.
    """

    strengths: Mapping[str, float]
    units: Mapping[str, float]
    rho_factors: Mapping[str, float]
    notes: tuple[str, ...] = ()

    def select_rows(
        self,
        network: Network,
        norms: Mapping[str, np.ndarray],
        settings: SparseSettings,
        *,
        share: float = 1.0,
    ) -> dict[str, np.ndarray]:
        """The rows with the largest norms, in units of their group, that meet the settings' target
        (core.training.projection): bool [units] by group.

        Args:
            network: The reading of the network.
            norms: Norms of the rows: [units] by group.
            settings: How it is made sparse.
            share: How much of the target is to be met, 0..1.

        Raises:
            PlanError: The target cannot be met.
        """
        scores = {name: norm / self.units[name] for name, norm in norms.items()}
        target = share * settings.target_reduction
        return rows_within(network, scores, target, coupled=settings.coupled)


def scales_of(
    rows: Sequence[Rows],
    weights: Mapping[str, Tensor],
    network: Network,
    settings: SparseSettings,
) -> Scales:
    """The scales of each group at the start of a training, as ``settings.weights`` says.

    With 'relative', V / m with m the mean norm stands for V: an l2,1 penalty lambda ||V|| / m and
    a pull rho ||V - F||^2 / (2 m^2), so nothing changes when a group is scaled.

    Args:
        rows: The rows, one entry for each group.
        weights: The parameters, by name.
        network: The reading of the network.
        settings: How it is made sparse.

    Raises:
        RecipeError: l2,0 would need a rho above the settings' ``rho_most``.
    """
    units = {r.group: 1.0 for r in rows}
    if settings.weights == "relative":
        units = {r.group: max(1e-12, float(r.norms(weights).mean())) for r in rows}
    base = float(settings.strength or 0.0)
    if settings.weights == "plain":
        strengths = {r.group: base for r in rows}
        return Scales(strengths, units, *rho_factors(strengths, settings))
    shares = mac_shares(network, [r.group for r in rows])
    strengths = {}
    for r in rows:
        by_size = np.sqrt(r.values) if settings.weights == "size" else 1.0
        # the l2,0 penalty counts rows, so it has no norm to be measured in
        unit = 1.0 if settings.method == "ssr_l20" else units[r.group]
        strengths[r.group] = float(base * shares[r.group] * by_size / unit)
    return Scales(strengths, units, *rho_factors(strengths, settings))


def rho_factors(
    strengths: Mapping[str, float], settings: SparseSettings
) -> tuple[dict[str, float], tuple[str, ...]]:
    """What rho is multiplied by in each group, and a sentence where that is more than 1.

    l2,0 drops a row of norm up to sqrt(2 lambda / rho) and did not converge with rho below 1.5
    times lambda (docs/method.md). A group's lambda is up to 4 times the settings' by its share of
    MACs, and with 'size' sqrt(values of a row) times; rho is raised to match.

    Args:
        strengths: Lambda of each group's rows, by group.
        settings: How the network is made sparse.

    Raises:
        RecipeError: rho would be above the settings' ``rho_most``.
    """
    if settings.method != "ssr_l20":
        return dict.fromkeys(strengths, 1.0), ()
    factors = {n: max(1.0, MIN_RHO_RATIO * x / settings.rho) for n, x in strengths.items()}
    group = max(factors, key=lambda name: factors[name])
    rho = factors[group] * settings.rho
    lambda_ = f"lambda of '{group}' is {strengths[group]:.3g} (by its MACs and the layer weighting)"
    if rho > settings.rho_most:
        raise RecipeError(
            f"l2,0 would not converge: the {lambda_}, and rho must be at least {MIN_RHO_RATIO:g} "
            f"times that, but is limited to rho_most = {settings.rho_most:g}. Lower lambda, raise "
            "rho_most, or set the layer weighting to 'relative'."
        )
    if factors[group] == 1:
        return factors, ()
    return factors, (f"The {lambda_}, so rho is {rho:.3g} there instead of {settings.rho:g}.",)
