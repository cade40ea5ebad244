"""The check's results as saved in the workspace, so that a reload shows them again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from sfp_viz.core.plan.prune_report import PruneReport, report_from_dict
from sfp_viz.runs.results.measurements import SavedMeasurement
from sfp_viz.ui.cached import measurements, pruned
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.check import checks
from sfp_viz.ui.check.checks import Check, Sizes

WHAT = "check"


@dataclass(frozen=True)
class SavedCheck:
    """A check as it was saved.

    Attributes:
        check: The measurements.
        report: How the pruned network was compensated; None without images.
        when: When it was measured, in words.
    """

    check: Check
    report: PruneReport | None
    when: str


def save(subject: Subject, check: Check) -> None:
    """Save a check.

    Args:
        subject: The network, the request and the images that were measured.
        check: The measurements.
    """
    report = pruned.report(subject.model, subject.request, subject.data) if subject.data else None
    value = {"check": asdict(check), "repair": asdict(report) if report else None}
    measurements.save(WHAT, subject, json.loads(json.dumps(value, default=float)))


def find(subject: Subject) -> SavedCheck | None:
    """The saved check of exactly this plan and these images; None if there is none."""
    saved = measurements.find(WHAT, subject)
    return _read(saved) if saved else None


def _read(saved: SavedMeasurement) -> SavedCheck | None:
    try:
        value = saved.value["check"]
        check = Check(_sizes(value["before"]), _sizes(value["after"]), str(value["data"]))
        report = saved.value["repair"] and report_from_dict(saved.value["repair"])
    except (KeyError, TypeError):
        return None  # another version wrote it
    return SavedCheck(check, report, measurements.when(saved))


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
