"""The check's results as they are kept in the workspace, so that a reload shows them again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any

from sfp_viz.runs.results.measurements import SavedMeasurement
from sfp_viz.ui.cached import measurements, pruned
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.check import checks
from sfp_viz.ui.check.checks import Check, Sizes

WHAT = "check"


@dataclass(frozen=True)
class Found:
    """A check, how its network was repaired (as a PruneReport has it; None without
    images), and when it was measured, in words."""

    check: Check
    repair: Any
    when: str


def keep(subject: Subject, check: Check) -> None:
    """Keep what was measured just now of its network."""
    repair = pruned.repair(subject.model, subject.request, subject.data) if subject.data else None
    value = {"check": asdict(check), "repair": asdict(repair) if repair else None}
    measurements.keep(WHAT, subject, json.loads(json.dumps(value, default=float)))


def find(subject: Subject) -> Found | None:
    """What was measured of exactly this plan and these images; None where nothing was."""
    found = measurements.find(WHAT, subject)
    return _read(found) if found else None


def _read(found: SavedMeasurement) -> Found | None:
    try:
        value = found.value["check"]
        check = Check(_sizes(value["before"]), _sizes(value["after"]), str(value["data"]))
        repair = json.loads(
            json.dumps(found.value["repair"]), object_hook=lambda one: SimpleNamespace(**one)
        )
    except (KeyError, TypeError):
        return None  # another version wrote it
    return Found(check, repair, measurements.when(found))


def _sizes(value: dict[str, Any]) -> Sizes:
    latency = measurements.measured_of(value["latency"])
    if latency is None:
        raise TypeError("no latency")
    return checks.Sizes(
        macs=int(value["macs"]),
        params=int(value["params"]),
        file_bytes=int(value["file_bytes"]),
        latency=latency,
        accuracy=measurements.measured_of(value["accuracy"]),
    )
