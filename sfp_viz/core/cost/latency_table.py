"""Latency of any plan, estimated from a table that was measured on this machine."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from sfp_viz.core.isotonic import rising_table
from sfp_viz.core.json_format import format_json, read_json, reading
from sfp_viz.core.memo import Memo
from sfp_viz.core.network import CostTerm, Network, Width
from sfp_viz.errors import PlanError

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

    def layer_ms(self, owner: str, outs: int, ins: int) -> float:
        """Estimated milliseconds of one operation at these widths: bilinear on the grid, and
        nondecreasing in both; past its ends as at the ends.

        Args:
            owner: Name of the operation, one of ``points``.
            outs: Output channels.
            ins: Input channels.
        """
        return _grid_of(self, owner).ms(outs, ins)


def widths_to_measure(network: Network, term: CostTerm) -> tuple[tuple[int, int], ...]:
    """(output, input) channels of ``term`` when its groups keep each of ``SHARES``: a full grid.

    A side that no plan changes has one width. A depthwise layer has as many outputs as inputs.

    Args:
        network: The network.
        term: The cost term of one operation.
    """
    tied = term.conv_groups == term.ins and term.ins != (("", 1),)
    outs, ins = _steps(network, term.outs), _steps(network, term.ins)
    if tied:
        return tuple(zip(_by_share(network, term.outs), _by_share(network, term.ins), strict=True))
    return tuple((a, b) for a in outs for b in ins)


def estimate(network: Network, table: LatencyTable, kept: Mapping[str, int]) -> float:
    """Milliseconds of a forward pass at these widths; estimated.

    The sum over operations of their time at these widths, and of the rest, of which a share
    (``FIXED``) is constant and the other shrinks with the sum of all outputs.

    Args:
        network: The network.
        table: Measured times of its operations.
        kept: Units that each group keeps, by name; groups that are missing keep all.

    Raises:
        PlanError: The table was measured on other weights.
    """
    if table.digest != network.digest:
        raise PlanError(
            f"The latency table belongs to other weights ({table.digest}, here "
            f"{network.digest}). Measure the layers again."
        )
    whole, channels = network.channels({}), network.channels(kept)
    layers = before = after = 0.0
    for term in network.terms:
        if term.owner in table.points:
            outs = term.outs.at(channels)
            layers += table.layer_ms(term.owner, outs, term.ins.at(channels))
            before += term.map_size * term.outs.at(whole)
            after += term.map_size * outs
    left = after / before if before else 1.0
    return layers + table.rest_ms * (FIXED + (1 - FIXED) * left)


class _Grid:
    """Times of one operation: bilinear between the measured widths, flat past their ends, and
    nondecreasing in both widths. Depthwise operations have one column: inputs are the outputs."""

    def __init__(self, points: Iterable[tuple[int, int, float]]) -> None:
        known = {(outs, ins): ms for outs, ins, ms in points}
        self.outs, self.ins = (sorted(set(widths)) for widths in zip(*known, strict=True))
        if len(known) < len(self.outs) * len(self.ins):
            self.ins = self.ins[:1]
            times = [[known[pair]] for pair in sorted(known)]
        else:
            times = [[known[outs, ins] for ins in self.ins] for outs in self.outs]
        self.times: list[list[float]] = rising_table(np.array(times)).tolist()

    def ms(self, outs: float, ins: float) -> float:
        """Milliseconds at these widths."""
        row, row_up, down = _bracket(self.outs, outs)
        column, column_up, right = _bracket(self.ins, ins)
        lower, upper = self.times[row], self.times[row_up]
        before = lower[column] * (1 - right) + lower[column_up] * right
        after = upper[column] * (1 - right) + upper[column_up] * right
        return before * (1 - down) + after * down


def _bracket(widths: list[int], width: float) -> tuple[int, int, float]:
    """Places of the measured widths around ``width``, and how far it lies between them, 0..1."""
    at = max(bisect_right(widths, width) - 1, 0)
    up = min(at + 1, len(widths) - 1)
    step = widths[up] - widths[at]
    return at, up, min(max((width - widths[at]) / step, 0.0), 1.0) if step else 0.0


def _grid_of(table: LatencyTable, owner: str) -> _Grid:
    grids = _GRIDS.of(table)
    if owner not in grids:
        grids[owner] = _Grid(table.points[owner])
    return grids[owner]


_GRIDS: Memo[_Grid] = Memo()  # of each table, by the owner of a cost term


def _by_share(network: Network, sums: Width) -> list[int]:
    channels = []
    for share in SHARES:
        kept = {group.name: max(1, round(share * group.size)) for group in network.free}
        channels.append(sums.at(network.channels(kept)))
    return channels


def _steps(network: Network, sums: Width) -> list[int]:
    return list(dict.fromkeys(_by_share(network, sums)))


def latency_to_json(table: LatencyTable) -> str:
    """The table as JSON with a format number, keys sorted; times to a tenth of a microsecond."""
    value = {
        "digest": table.digest,
        "device": table.device,
        "threads": table.threads,
        "batch": table.batch,
        "points": {n: [[a, b, round(ms, 4)] for a, b, ms in p] for n, p in table.points.items()},
        "rest_ms": round(table.rest_ms, 4),
        "whole_ms": round(table.whole_ms, 4),
    }
    return format_json(value, FORMAT)


def latency_from_json(text: str) -> LatencyTable:
    """Read a table; PlanError on anything that is not one."""
    value = read_json(text, "latency table", FORMAT)
    with reading("latency table"):
        points = {
            str(name): tuple((int(a), int(b), float(ms)) for a, b, ms in triples)
            for name, triples in value["points"].items()
        }
        measured = [point for triples in points.values() for point in triples]
        times = [ms for _, _, ms in measured]
        times += [float(value["rest_ms"]), float(value["whole_ms"])]
        positive = all(points.values()) and all(a > 0 and b > 0 for a, b, _ in measured)
        if not positive or not all(0 <= ms < float("inf") for ms in times):
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


class LayerTimes:
    """Milliseconds of a network's layers at given widths, from a table.

    ``terms`` are the cost terms with measured times; ``per_out`` [terms] is what one channel more
    of each output adds to the rest of the network, and ``fixed`` what the rest takes anyway.
    ``each`` [terms] gives the milliseconds of one layer at its output and input channels.
    """

    def __init__(self, network: Network, table: LatencyTable) -> None:
        """Raises PlanError for the table of other weights."""
        estimate(network, table, {})
        self.terms = tuple(term for term in network.terms if term.owner in table.points)
        self.each = tuple(_grid_of(table, term.owner).ms for term in self.terms)
        channels = network.channels({})
        maps = np.array([term.map_size for term in self.terms], dtype=np.float64)
        outs = np.array([term.outs.at(channels) for term in self.terms])
        moving = 1 - FIXED if maps @ outs else 0.0
        self.per_out = table.rest_ms * moving * maps / (maps @ outs or 1.0)
        self.fixed = table.rest_ms * (1 - moving)

    def all(self, outs: np.ndarray, ins: np.ndarray) -> np.ndarray:
        """Milliseconds of each layer at these channels, float64 [terms].

        Args:
            outs: Output channels of each layer [terms].
            ins: Input channels of each layer [terms].
        """
        widths = zip(self.each, outs.tolist(), ins.tolist(), strict=True)
        return np.array([ms(a, b) for ms, a, b in widths], dtype=np.float64)
