"""Published results of other methods, as records; from sfp_viz/published/numbers.csv.

They come from different baselines, trainings, schedules and counters of FLOPs: they may be set
beside each other as drop against drop only, never by absolute accuracy.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from sfp_viz.core.json_format import MALFORMED
from sfp_viz.errors import DataError

Origin = Literal["own", "third-party"]
Caveat = Literal["change_only", "from_image", "from_row_order"]


@dataclass(frozen=True)
class Published:
    """One published result.

    ``change`` is the pruned accuracy less the base, -1..1 (negative: lost); ``macs_saved`` and
    ``params_saved`` are shares 0..1; None where the source does not say. ``base`` and ``pruned``
    are accuracies 0..1 as printed, None where missing. ``as_printed``: the source gives the
    change alone, so it could not be checked against two accuracies. ``origin`` says whether the
    authors of the method report it; ``doubtful`` rows contradict themselves and are not drawn.
    """

    dataset: str
    network: str
    method: str
    change: float | None
    macs_saved: float | None
    params_saved: float | None
    base: float | None
    pruned: float | None
    source: str
    origin: Origin
    note: str
    as_printed: bool
    doubtful: bool

    @property
    def subject(self) -> str:
        """What was pruned, such as 'ResNet-56 on CIFAR-10'."""
        return f"{self.network} on {self.dataset}"

    @property
    def caveats(self) -> tuple[Caveat, ...]:
        """What to keep in mind about this row, besides its origin and its note."""
        caveats: list[Caveat] = ["change_only"] if self.as_printed else []
        if "image in repo" in self.source:
            caveats.append("from_image")
        if self.source.startswith("FPGM paper") and "FPGM" in self.method:
            caveats.append("from_row_order")
        return tuple(caveats)


@cache
def published() -> tuple[Published, ...]:
    """All rows, in the order of the file. Raises DataError where the file is damaged."""
    text = (files("sfp_viz") / "published" / "numbers.csv").read_text("utf-8")
    return tuple(read_published(text.splitlines()))


def read_published(lines: Iterable[str]) -> list[Published]:
    """The rows of a table with the columns of ours.

    Args:
        lines: the table as CSV, the header first.

    Raises:
        DataError: a row cannot be read; the message names it.
    """
    rows = []
    for number, row in enumerate(csv.DictReader(lines), 2):
        try:
            rows.append(_row(row))
        except MALFORMED as problem:
            raise DataError(
                f"Row {number} of the published numbers cannot be read ({problem!r}). Put the "
                "file of the installed package back."
            ) from problem
    return rows


def drawable(rows: Iterable[Published], *, axis: str = "macs") -> tuple[Published, ...]:
    """The rows that can be drawn: with a change and a saving, and without contradictions.

    Args:
        rows: published results.
        axis: 'macs' or 'params'; what the saving is of.
    """
    return tuple(
        row for row in rows
        if row.change is not None and saving(row, axis) is not None and not row.doubtful
    )  # fmt: skip


def saving(row: Published, axis: str) -> float | None:
    """Share of MACs or params that a row saves, 0..1; None if not known.

    Args:
        row: The result.
        axis: 'macs', or 'params'.
    """
    return row.macs_saved if axis == "macs" else row.params_saved


def subjects() -> tuple[str, ...]:
    """What was pruned in the rows, each once, in their order."""
    return tuple(dict.fromkeys(row.subject for row in published()))


def _row(row: dict[str, str]) -> Published:
    drop = _number(row["acc_drop"])
    return Published(
        dataset=row["dataset"], network=row["network"], method=row["method"],
        change=None if drop is None else 0.0 - drop,
        macs_saved=_number(row["flops_drop_pct"]), params_saved=_number(row["params_drop_pct"]),
        base=_number(row["base_acc"]), pruned=_number(row["pruned_acc"]),
        source=row["source"], origin=_known(row["provenance"]), note=row["note"],
        as_printed=row["drop_is"] == "as printed", doubtful=row["doubtful"] == "yes",
    )  # fmt: skip


def _number(text: str) -> float | None:
    """Per cent as a share; None for nothing."""
    if not text:
        return None
    value = round(float(text) / 100, 8)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _known(origin: str) -> Origin:
    if origin not in ("own", "third-party"):
        raise ValueError(origin)
    return origin
