"""How many trainings may work at a time on this machine, and on which graphics cards."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Literal

from sfp_viz.errors import RunError
from sfp_viz.runs.storage.workspace import change_settings, section

VARIABLE = "SFP_VIZ_SLOTS"
MOST = 64
Source = Literal["variable", "settings", "machine"]


def slot_count(home: Path) -> int:
    """How many trainings of the workspace ``home`` may work at a time on this machine, 1..64.

    ``SFP_VIZ_SLOTS`` decides, else what ``set_slots`` wrote down, else one a graphics card of
    NVIDIA, and 1 without any. Raises RunError when the variable is no such number, or the
    settings are not readable.
    """
    return slot_setting(home)[0]


def slot_setting(home: Path) -> tuple[int, Source]:
    """``slot_count``, and what it comes from: the variable, the settings, or the machine."""
    if variable := os.environ.get(VARIABLE, "").strip():
        return _checked(variable, f"The environment variable {VARIABLE}"), "variable"
    saved = section(home, "queue").get("at_once")
    if isinstance(saved, int) and 1 <= saved <= MOST:
        return saved, "settings"
    return max(1, min(MOST, len(gpus()))), "machine"


def set_slots(home: Path, at_once: int | None) -> None:
    """Set how many trainings of a workspace may work at a time on this machine.

    Args:
        home: The workspace.
        at_once: 1 to 64; None restores the default of the machine.

    Raises:
        RunError: The number is out of range, or the settings cannot be written.
    """
    number = None if at_once is None else _checked(at_once, "Trainings at a time")
    try:
        change_settings(home, {"queue": None if number is None else {"at_once": number}})
    except OSError as problem:
        raise RunError(f"The settings in {home} cannot be written: {problem}.") from problem


@cache  # a machine does not change while a process lives
def gpus() -> tuple[str, ...]:
    """The graphics cards that a training may use, as CUDA_VISIBLE_DEVICES names them; () without
    any. Asks nvidia-smi, not torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        names = [name.strip() for name in visible.split(",")]
        return tuple(name for name in names if name and name != "-1")
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ()
    try:
        answer = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    listed = [line for line in answer.stdout.splitlines() if line.startswith("GPU ")]
    return tuple(str(n) for n in range(len(listed))) if answer.returncode == 0 else ()


def _checked(value: object, what: str) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if not 1 <= number <= MOST:
        raise RunError(f"{what} must be a whole number from 1 to {MOST}, not '{value}'.")
    return number
