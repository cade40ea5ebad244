"""What was measured on a click, kept in the workspace under the plan and the images it is of.

``home/measured/`` holds one small JSON file for each kind of measurement, weights, plan and images.
"""

from __future__ import annotations

import hashlib
import platform
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfp_viz.files import read_json, write_json

FORMAT = 1
FOLDER = "measured"
_FILES = 500  # kept in a workspace; the oldest go


@dataclass(frozen=True)
class MeasurementKey:
    """What was measured: ``what`` names the kind ('check', 'one-shot'), ``digest`` the uncut
    weights, ``plan`` is the plan's hash, ``data`` names the images ('' for none)."""

    what: str
    digest: str
    plan: str
    data: str


@dataclass(frozen=True)
class SavedMeasurement:
    """A measurement as JSON values, when it was made (seconds since 1970), and on which machine."""

    value: Any
    time: float
    host: str


def save_measurement(home: Path, key: MeasurementKey, value: Any) -> SavedMeasurement:
    """Keep a measurement that was just made. If the workspace cannot be written, it is only
    returned.

    Args:
        home: The workspace.
        key: What was measured.
        value: The result, as JSON values.
    """
    measurement = SavedMeasurement(value, time.time(), platform.node())
    path = _path(home, key)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        identity = {"digest": key.digest, "plan": key.plan, "data": key.data, "what": key.what}
        content = {
            "format": FORMAT,
            **identity,
            "time": measurement.time,
            "host": measurement.host,
            "value": value,
        }
        write_json(path, content, durable=False)
        files = sorted(path.parent.glob("*.json"), key=lambda file: file.stat().st_mtime)
        for old in files[:-_FILES]:
            old.unlink(missing_ok=True)
    return measurement


def find_measurement(home: Path, key: MeasurementKey) -> SavedMeasurement | None:
    """A kept measurement; None where there is none that can be read.

    Args:
        home: The workspace.
        key: What was measured.
    """
    content = read_json(_path(home, key)) or {}
    same = all(
        content.get(name) == getattr(key, name) for name in ("digest", "plan", "data", "what")
    )
    if not same or content.get("format") != FORMAT:
        return None
    try:
        return SavedMeasurement(content["value"], float(content["time"]), str(content["host"]))
    except (KeyError, TypeError, ValueError):
        return None


def has_measurement(home: Path, what: str, digest: str) -> bool:
    """Whether any measurement of a kind was kept, for any plan.

    Args:
        home: The workspace.
        what: The kind: 'check' or 'one-shot'.
        digest: The unpruned weights.
    """
    return next((home / FOLDER).glob(f"{what}-{digest}-*.json"), None) is not None


def _path(home: Path, key: MeasurementKey) -> Path:
    images = hashlib.sha256(key.data.encode()).hexdigest()[:8]
    return home / FOLDER / f"{key.what}-{key.digest}-{key.plan}-{images}.json"
