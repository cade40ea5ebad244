"""What a goal counts, for all widths at once: exact, and quick enough for a slider.

The same sums as cost.py (docs/method.md), as matrices over terms and groups.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sfp_viz.core.cost.latency_table import LatencyTable, LayerTimes
from sfp_viz.core.network import CostTerm, Network
from sfp_viz.errors import RecipeError


class Objective:
    """Value of one goal, from the units that each group keeps (int [groups], network's order).

    MACs and params (exact below 2^53) and peak memory in bytes are computed; latency in
    milliseconds is estimated from a table. None of them rises when a group gets narrower.
    """

    def __init__(self, network: Network, goal: str, table: LatencyTable | None = None) -> None:
        if goal == "latency" and table is None:
            raise RecipeError(
                "A goal of latency needs the measured times of the layers, and there are none. "
                "Measure the layers first: latency_table(model), or 'sfp-viz latency NET'."
            )
        self.goal = goal
        self.names = tuple(group.name for group in network.groups)
        self.sizes = np.array([group.size for group in network.groups], dtype=np.int64)
        self.repeats = np.array([group.repeats for group in network.groups] + [1])
        self.times = LayerTimes(network, table) if goal == "latency" and table else None
        terms = self.times.terms if self.times else network.terms
        terms = [t for t in terms if t.macs or goal in ("params", "latency")]
        self.product, self.per_out, self.per_in = (
            np.array(coefficients, dtype=np.float64)
            for coefficients in _coefficients(terms, goal, self.times)
        )
        columns = {name: i for i, name in enumerate(self.names)}
        self.sums = np.zeros((3, len(terms), len(self.names) + 1))
        for row, term in enumerate(terms):
            for side, width in enumerate((term.outs, term.ins, term.conv_groups)):
                for name, factor in width:
                    self.sums[side, row, columns[name] if name else -1] += factor

    def __call__(self, kept: np.ndarray) -> float:
        values = self._values(*(self.sums @ (np.append(kept, 1) * self.repeats)))
        if self.goal == "memory":
            return float(values.max(initial=0.0))
        return float(values.sum()) + (self.times.fixed if self.times else 0.0)

    def _values(self, outs: np.ndarray, ins: np.ndarray, parts: np.ndarray) -> np.ndarray:
        """Of each term: product * outs * ins / parts + per_out * outs + per_in * ins."""
        mixed = self.product * outs * ins / np.maximum(parts, 1)
        if self.times:
            mixed = self.times.all(outs, ins)
        return mixed + self.per_out * outs + self.per_in * ins


def objective_of(network: Network, goal: str, table: LatencyTable | None = None) -> Objective:
    """The cost that a goal counts, as a function of the widths.

    Equal to ``cost_of_widths`` to the last unit, or to ``latency_table.estimate``.

    Args:
        network: The network.
        goal: 'macs', 'params', 'memory' or 'latency'.
        table: Measured times of the layers, for 'latency'.

    Raises:
        RecipeError: 'latency' without a table.
        PlanError: The table was measured on other weights.
    """
    return Objective(network, goal, table)


class IncrementalCost:
    """A plan on its way down: what one group's next units would save, without counting anew.

    For peak memory, a maximum that no single group may lower, the saving is the fall of what all
    operations take above the budget: it reaches 0 exactly where the peak meets the budget.
    """

    def __init__(self, measure: Objective, kept: np.ndarray, budget: float) -> None:
        self.measure, self.budget = measure, budget
        self.kept = kept.copy()
        self._widths = (measure.sums @ (np.append(kept, 1) * measure.repeats)).T.tolist()
        self._numbers = list(
            zip(measure.product.tolist(), measure.per_out.tolist(), measure.per_in.tolist(),
                strict=True)
        )  # fmt: skip
        by_group = measure.sums[:, :, :-1] * measure.repeats[:-1]
        self._touched = [
            [
                (int(t), *by_group[:, t, g].tolist())
                for t in np.flatnonzero(by_group[:, :, g].any(0))
            ]
            for g in range(len(kept))
        ]
        self._floor = budget if measure.goal == "memory" else 0.0
        self._now = [self._value(t, *w) for t, w in enumerate(self._widths)]
        self.total = sum(self._now) + (measure.times.fixed if measure.times else 0.0)
        self._goal = 0.0 if measure.goal == "memory" else budget

    @property
    def met(self) -> bool:
        """Whether the budget holds; confirmed by a full count."""
        return self.total <= self._goal + 1e-6 and self.measure(self.kept) <= self.budget

    def saving(self, group: int, units: int) -> float:
        """What the goal falls by when ``group`` loses ``units`` more; negative ones come back.

        Args:
            group: Index of the group, in the network's order.
            units: Units that it loses.
        """
        saved = 0.0
        for term, outs, ins, parts in self._touched[group]:
            o, i, p = self._widths[term]
            after = self._value(term, o - units * outs, i - units * ins, p - units * parts)
            saved += self._now[term] - after
        return saved

    def allows(self, group: int, units: int) -> bool:
        """Whether the budget still holds when ``group`` gets ``units`` back.

        Args:
            group: Index of the group, in the network's order.
            units: Units that it gets back.
        """
        left = self._goal - (self.total - self.saving(group, -units))
        if abs(left) > 1e-6 * max(self._goal, 1.0):
            return left > 0
        more = self.kept.copy()
        more[group] += units
        return self.measure(more) <= self.budget

    def move(self, group: int, units: int) -> None:
        """Take ``units`` from ``group``.

        Args:
            group: Index of the group, in the network's order.
            units: Units that it loses; negative ones come back.
        """
        saved = self.saving(group, units)
        for term, outs, ins, parts in self._touched[group]:
            o, i, p = self._widths[term]
            self._widths[term] = [o - units * outs, i - units * ins, p - units * parts]
            self._now[term] = self._value(term, *self._widths[term])
        self.kept[group] -= units
        self.total -= saved

    def _value(self, term: int, outs: float, ins: float, parts: float) -> float:
        product, per_out, per_in = self._numbers[term]
        value = product * outs * ins / (parts if parts > 1 else 1) + per_out * outs + per_in * ins
        if self.measure.times:
            value += self.measure.times.each[term](outs, ins)
        return max(value - self._floor, 0.0)


def _coefficients(terms: Sequence[CostTerm], goal: str, times: LayerTimes | None) -> tuple:
    none = [0] * len(terms)
    if goal == "memory":
        reads = [4 * (term.in_map_size or term.map_size) for term in terms]
        return none, [4 * term.map_size for term in terms], reads
    if goal == "params":
        return [term.params for term in terms], [term.bias for term in terms], none
    if times:
        return none, times.per_out, none
    return [term.macs for term in terms], none, none
