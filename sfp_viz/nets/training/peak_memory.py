"""The most memory that a process has used so far."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import torch


def peak_bytes(device: torch.device) -> int:
    """Peak of this process in bytes, measured: allocated on a CUDA ``device``, else resident in
    main memory; 0 where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # Linux: getrusage would count the process that started us, when that was the larger one
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
