"""Latency of any plan, estimated from a table that was measured on this machine."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from sfp_viz.core.isotonic import rising_table
from sfp_viz.core.json_format import read_json
from sfp_viz.core.network import CostTerm, Network, Width
from sfp_viz.errors import PlanError, SfpError

FORMAT = 1
SHARES = (1.0, 0.75, 0.5, 0.25, 0.1)  # of the channels that plans can change
# Share of the rest (norms, activations, calls) that does not shrink with the maps: our reading of
# ResNet-18 and ResNet-20 on one core, where the rest falls nearly in proportion to them.
FIXED = 0.1


@dataclass(frozen=True)
class LatencyTable:
    """Time of each parametrised operation at some widths, measured on one machine.

    ``points``, by the owner of a cost term: (output channels, input channels, milliseconds), the
    least of some repeats. ``rest_ms``: what a forward pass of the whole network takes besides
    (norms, activations, calls). ``device``, ``threads`` and ``batch`` say how.
    """

    digest: str
    device: str
    threads: int
    batch: int
    points: Mapping[str, tuple[tuple[int, int, float], ...]]
    rest_ms: float
    whole_ms: float
    _grids: Mapping[str, _Grid] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        grids = {name: _Grid(some) for name, some in self.points.items()}
        object.__setattr__(self, "_grids", grids)

    def layer_ms(self, owner: str, outs: int, ins: int) -> float:
        """Estimated milliseconds of one operation at these widths: bilinear on the grid, and
        nondecreasing in both; past its ends as at the ends."""
        return self._grids[owner](outs, ins)


def widths_to_measure(network: Network, term: CostTerm) -> tuple[tuple[int, int], ...]:
    """(output, input) channels of ``term`` when its groups keep each of ``SHARES``: a full grid.

    A side that no plan changes has one width. A depthwise layer has as many outputs as inputs.
    """
    tied = term.conv_groups == term.ins and term.ins != (("", 1),)
    outs, ins = _steps(network, term.outs), _steps(network, term.ins)
    if tied:
        return tuple(zip(_by_share(network, term.outs), _by_share(network, term.ins), strict=True))
    return tuple((a, b) for a in outs for b in ins)


def estimate(network: Network, table: LatencyTable, kept: Mapping[str, int]) -> float:
    """Milliseconds of a forward pass when each group keeps ``kept`` units; others are whole.

    The sum over operations of their time at these widths, and of the rest, of which a share
    (``FIXED``) stays and the other shrinks with the sum of all outputs. Estimated; raises
    PlanError when the table was measured on other weights.
    """
    if table.digest != network.digest:
        raise PlanError(
            f"The latency table belongs to other weights ({table.digest}, here "
            f"{network.digest}). Measure the layers again."
        )
    whole = {g.name: g.width for g in network.groups}
    widths = {g.name: kept.get(g.name, g.size) * g.repeats for g in network.groups}
    layers = before = after = 0.0
    for term in network.terms:
        if term.owner in table.points:
            outs = _width(term.outs, widths)
            layers += table.layer_ms(term.owner, outs, _width(term.ins, widths))
            before += term.map_size * _width(term.outs, whole)
            after += term.map_size * outs
    left = after / before if before else 1.0
    return layers + table.rest_ms * (FIXED + (1 - FIXED) * left)


class _Grid:
    """Times on a grid of widths; a diagonal or a line where only that was measured."""

    def __init__(self, points: Iterable[tuple[int, int, float]]) -> None:
        some = sorted(points)
        self.outs = sorted({a for a, _, _ in some})
        self.ins = sorted({b for _, b, _ in some})
        times = {(a, b): ms for a, b, ms in some}
        self.diagonal = len(some) < len(self.outs) * len(self.ins)
        if self.diagonal:  # depthwise: inputs are the outputs
            line = np.array([ms for _, _, ms in some])
            self.times = rising_table(line[:, None])
        else:
            self.times = rising_table(
                np.array([[times[a, b] for b in self.ins] for a in self.outs])
            )

    def __call__(self, outs: float, ins: float) -> float:
        row, down = _place(self.outs, outs)
        if self.diagonal:
            return float(down @ self.times[row, 0])
        column, right = _place(self.ins, ins)
        return float(down @ self.times[np.ix_(row, column)] @ right)


def _place(widths: list[int], width: float) -> tuple[list[int], np.ndarray]:
    """The two measured widths around ``width`` and the weight of each; the ends go on flat."""
    at = int(np.clip(np.searchsorted(widths, width, side="right") - 1, 0, len(widths) - 1))
    up = min(at + 1, len(widths) - 1)
    step = widths[up] - widths[at]
    share = float(np.clip((width - widths[at]) / step, 0, 1)) if step else 0.0
    return [at, up], np.array([1 - share, share])


def _width(sums: Width, widths: Mapping[str, int]) -> int:
    return sum(factor * (widths[name] if name else 1) for name, factor in sums)


def _by_share(network: Network, sums: Width) -> list[int]:
    free = {g.name: g for g in network.free}
    found = []
    for share in SHARES:
        widths = {
            g.name: (max(1, round(share * g.size)) if g.name in free else g.size) * g.repeats
            for g in network.groups
        }
        found.append(_width(sums, widths))
    return found


def _steps(network: Network, sums: Width) -> list[int]:
    return list(dict.fromkeys(_by_share(network, sums)))


def latency_json(table: LatencyTable) -> str:
    """The table as JSON with a format number, keys sorted; times to a tenth of a microsecond."""
    value = {
        "format": FORMAT,
        "digest": table.digest,
        "device": table.device,
        "threads": table.threads,
        "batch": table.batch,
        "points": {n: [[a, b, round(ms, 4)] for a, b, ms in p] for n, p in table.points.items()},
        "rest_ms": round(table.rest_ms, 4),
        "whole_ms": round(table.whole_ms, 4),
    }
    return json.dumps(value, sort_keys=True, indent=1)


def latency_from_json(text: str) -> LatencyTable:
    """Read a table; PlanError on anything that is not one."""
    value = read_json(text, "latency table", FORMAT)
    try:
        points = {
            str(name): tuple((int(a), int(b), float(ms)) for a, b, ms in some)
            for name, some in value["points"].items()
        }
        times = [ms for some in points.values() for _, _, ms in some]
        times += [float(value["rest_ms"]), float(value["whole_ms"])]
        whole = all(some and all(a > 0 and b > 0 for a, b, _ in some) for some in points.values())
        if not whole or not all(0 <= ms < float("inf") for ms in times):
            raise PlanError("This is no latency table of ours: a width or time makes no sense.")
        return LatencyTable(
            digest=str(value["digest"]),
            device=str(value["device"]),
            threads=int(value["threads"]),
            batch=int(value["batch"]),
            points=points,
            rest_ms=float(value["rest_ms"]),
            whole_ms=float(value["whole_ms"]),
        )
    except SfpError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        raise PlanError(
            f"This is no latency table of ours: {problem!r} is missing or wrong."
        ) from problem


class Grids:
    """Milliseconds of the layers at their widths: bilinear between measured ones, flat outside.

    ``terms`` are the cost terms with measured times; ``per_out`` [terms] is what one channel more
    of each output adds to the rest of the network, and ``fixed`` what the rest takes anyway.
    """

    def __init__(self, network: Network, table: LatencyTable) -> None:
        estimate(network, table, {})  # PlanError for the table of other weights
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
        moving = 1 - FIXED if maps @ outs else 0.0
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
        row, row_up, down = _bracket(rows, outs)
        column, column_up, right = _bracket(columns, ins)
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


def _bracket(knots: list, width: float) -> tuple[int, int, float]:
    at = max(bisect_right(knots, width) - 1, 0)
    up = min(at + 1, len(knots) - 1)
    step = knots[up] - knots[at]
    return at, up, min(max((width - knots[at]) / step, 0.0), 1.0) if step else 0.0
