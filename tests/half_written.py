"""What a killed worker was writing is swept up; what the last one writes takes a moment."""

from __future__ import annotations

import time
from pathlib import Path


def nothing_is_half_written(folder: Path, seconds: float = 20) -> bool:
    """Whether no half-written file stays in ``folder``.

    A run can be read as finished while its last worker still writes that it goes: such a file is
    gone a moment later, one of a dead worker would stay.
    """
    until = time.monotonic() + seconds
    while any(folder.rglob(".new-*")):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
