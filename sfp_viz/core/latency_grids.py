"""The grids of a latency table for all layers at once: what ``latency.estimate`` says, quicker."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from sfp_viz.core.cost import latency_table
from sfp_viz.core.cost.latency_table import LatencyTable
from sfp_viz.core.network import Network


class Grids:
    """Milliseconds of the layers at their widths: bilinear between measured ones, flat outside.

    ``terms`` are the cost terms with measured times; ``per_out`` [terms] is what one channel more
    of each output adds to the rest of the network, and ``fixed`` what the rest takes anyway.
    """

    def __init__(self, network: Network, table: LatencyTable) -> None:
        latency_table.estimate(network, table, {})  # PlanError for the table of other weights
        self.terms = tuple(term for term in network.terms if term.owner in table.points)
        self._lists = [_grid(table, term.owner) for term in self.terms]
        rows = max((len(outs) for outs, _, _ in self._lists), default=1)
        columns = max((len(ins) for _, ins, _ in self._lists), default=1)
        self._outs = np.full((len(self.terms), rows), np.inf)
        self._ins = np.full((len(self.terms), columns), np.inf)
        self._times = np.zeros((len(self.terms), rows, columns))
        for t, (outs, ins, times) in enumerate(self._lists):
            self._outs[t, : len(outs)] = outs
            self._ins[t, : len(ins)] = ins
            spare = ((0, rows - len(outs)), (0, columns - len(ins)))
            self._times[t] = np.pad(np.array(times), spare, mode="edge")
        widths = {group.name: group.width for group in network.groups} | {"": 1}
        maps = np.array([term.map_size for term in self.terms], dtype=np.float64)
        outs = np.array([sum(f * widths[name] for name, f in t.outs) for t in self.terms])
        moving = 1 - latency_table.FIXED if maps @ outs else 0.0
        self.per_out = table.rest_ms * moving * maps / (maps @ outs or 1.0)
        self.fixed = table.rest_ms * (1 - moving)

    def __call__(self, outs: np.ndarray, ins: np.ndarray) -> np.ndarray:
        """Milliseconds of each layer at these channels, float64 [terms]."""
        each = np.arange(len(self.terms))
        row, row_up, down = _places(self._outs, outs)
        column, column_up, right = _places(self._ins, ins)
        times = self._times
        upper = times[each, row, column] * (1 - right) + times[each, row, column_up] * right
        lower = times[each, row_up, column] * (1 - right) + times[each, row_up, column_up] * right
        return upper * (1 - down) + lower * down

    def one(self, term: int, outs: float, ins: float) -> float:
        """Milliseconds of one layer at these channels."""
        rows, columns, times = self._lists[term]
        row, row_up, down = _place(rows, outs)
        column, column_up, right = _place(columns, ins)
        upper = times[row][column] * (1 - right) + times[row][column_up] * right
        lower = times[row_up][column] * (1 - right) + times[row_up][column_up] * right
        return upper * (1 - down) + lower * down


def grids_of(network: Network, table: LatencyTable) -> Grids:
    """The grids of a table, made once for it."""
    memo: dict[str, Grids] = vars(table).setdefault("_all_grids", {})
    if network.digest not in memo:
        memo[network.digest] = Grids(network, table)
    return memo[network.digest]


def _grid(table: LatencyTable, owner: str) -> tuple[list[int], list[int], list[list[float]]]:
    """Widths of outputs and of inputs, and the times there; one column for a depthwise layer."""
    points = table.points[owner]
    outs, ins = sorted({a for a, _, _ in points}), sorted({b for _, b, _ in points})
    if len(points) < len(outs) * len(ins):
        ins = ins[:1]
    return outs, ins, [[table.layer_ms(owner, a, b) for b in ins] for a in outs]


def _places(knots: np.ndarray, widths: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    each = np.arange(len(knots))
    last = np.isfinite(knots).sum(axis=1) - 1
    at = np.clip((knots <= widths[:, None]).sum(axis=1) - 1, 0, last)
    up = np.minimum(at + 1, last)
    step = knots[each, up] - knots[each, at]
    share = np.clip((widths - knots[each, at]) / np.where(step > 0, step, 1), 0, 1)
    return at, up, np.where(step > 0, share, 0.0)


def _place(knots: list, width: float) -> tuple[int, int, float]:
    at = max(bisect_right(knots, width) - 1, 0)
    up = min(at + 1, len(knots) - 1)
    step = knots[up] - knots[at]
    return at, up, min(max((width - knots[at]) / step, 0.0), 1.0) if step else 0.0
