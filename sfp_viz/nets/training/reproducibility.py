"""Random streams and numerics fixed, so that a resumed run equals an undisturbed one."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def numerics(threads: int | None = None, *, processes: int = 1) -> dict[str, Any]:
    """What the result depends on besides the data and settings; sets the number of threads: as
    given, or this process's part of those that ``processes`` share.

    On the CPU the same threads, versions and kind of processor give the same bits.
    """
    # Set it also when it stays the same: that turns off MKL's own choice of fewer threads, which
    # would sum in another order than the resumed run does.
    torch.set_num_threads(threads or max(1, torch.get_num_threads() // processes))
    gpu = torch.cuda.is_available()
    return {
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "numpy": np.__version__,  # shuffles and augmentation are drawn by it
        "cuda": torch.version.cuda if gpu else None,
        "device": torch.cuda.get_device_name() if gpu else platform.machine(),
        "vectors": torch.backends.cpu.get_cpu_capability(),  # such as AVX2
        "precision": torch.get_float32_matmul_precision(),  # of products of float32
        "memory_format": "channels_last",
    }


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """Give torch's random stream back as it was: a training draws from its own."""
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        yield


def seed_step(seed: int, epoch: int, step: int, rank: int = 0) -> None:
    """Start torch's random stream (dropout) anew for a step, whatever came before it; each of
    several processes has its own."""
    drawn = np.random.SeedSequence([seed, epoch, step, rank]).generate_state(1, np.uint64)
    # torch.manual_seed would note a stack trace for each device that is not there
    torch.default_generator.manual_seed(int(drawn[0]))
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed(int(drawn[0]))
