"""The check's results as saved in the workspace, so that a reload shows them again."""

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
class SavedCheck:
    """A check, how its network was compensated (as a PruneReport has it; None without
    images), and when it was measured, in words."""

    check: Check
    repair: Any
    when: str


def save(subject: Subject, check: Check) -> None:
    """Save a check.

    Args:
        subject: the network, the request and the images that were measured.
        check: the measurements.
    """
    repair = pruned.report(subject.model, subject.request, subject.data) if subject.data else None
    value = {"check": asdict(check), "repair": asdict(repair) if repair else None}
    measurements.save(WHAT, subject, json.loads(json.dumps(value, default=float)))


def find(subject: Subject) -> SavedCheck | None:
    """The saved check of exactly this plan and these images; None where there is none."""
    saved = measurements.find(WHAT, subject)
    return _read(saved) if saved else None


def _read(saved: SavedMeasurement) -> SavedCheck | None:
    try:
        value = saved.value["check"]
        check = Check(_sizes(value["before"]), _sizes(value["after"]), str(value["data"]))
        repair = json.loads(
            json.dumps(saved.value["repair"]), object_hook=lambda fields: SimpleNamespace(**fields)
        )
    except (KeyError, TypeError):
        return None  # another version wrote it
    return SavedCheck(check, repair, measurements.when(saved))


def _sizes(value: dict[str, Any]) -> Sizes:
    latency = measurements.measured_from_dict(value["latency"])
    if latency is None:
        raise TypeError("no latency")
    return checks.Sizes(
        macs=int(value["macs"]),
        params=int(value["params"]),
        file_bytes=int(value["file_bytes"]),
        latency=latency,
        accuracy=measurements.measured_from_dict(value["accuracy"]),
    )
