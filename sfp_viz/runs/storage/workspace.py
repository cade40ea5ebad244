"""The settings of a workspace: one JSON file, ``settings.json``, beside the folder of runs.

Absent keys mean their defaults, so most workspaces have no such file. The environment goes first:
``SFP_VIZ_RAY`` and ``SFP_VIZ_MLFLOW`` set what a shell, or a node of a cluster, uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sfp_viz.errors import RunError
from sfp_viz.files import file_lock, read_json, write_json

FORMAT = 1
FILE = "settings.json"


def read_settings(home: Path) -> dict[str, Any]:
    """The settings of the workspace ``home``; {} without any.

    Raises RunError when the file is not readable, or of a newer version.
    """
    file = home / FILE
    value = read_json(file)
    if value is None:
        if file.exists():
            raise RunError(f"The settings {file} are not readable. Repair or delete the file.")
        return {}
    if value.get("format") != FORMAT:
        raise RunError(f"The settings {file} were written by a newer version of sfp-viz.")
    return {key: entry for key, entry in value.items() if key != "format"}


def section(home: Path, name: str) -> dict[str, Any]:
    """One object of the settings; {} where there is none.

    Args:
        home: The workspace.
        name: Its key, such as 'cluster'.
    """
    value = read_settings(home).get(name)
    return value if isinstance(value, dict) else {}


def change_settings(home: Path, changes: Mapping[str, Any]) -> None:
    """Change the settings of a workspace.

    Args:
        home: The workspace.
        changes: Values by key; None removes a key.
    """
    home.mkdir(parents=True, exist_ok=True)
    with file_lock(home / ".settings.lock"):
        merged = {**read_settings(home), **changes}
        kept = {key: entry for key, entry in merged.items() if entry is not None}
        write_json(home / FILE, {"format": FORMAT, **kept})
