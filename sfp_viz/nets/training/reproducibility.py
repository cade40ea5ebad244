"""Fixed random streams and numerical settings, so that a resumed run equals an undisturbed one."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def numerics(threads: int | None = None, *, processes: int = 1) -> dict[str, Any]:
    """What the result depends on besides the data and settings; sets the number of threads.

    On the CPU the same threads, versions and kind of processor give the same bits.

    Args:
        threads: Threads of this process; None takes its part of those that ``processes`` share.
        processes: Processes of the training.

    Returns:
        A JSON record: threads, versions, device, vector instructions, precision, memory format.
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
def preserved_rng(device: torch.device) -> Iterator[None]:
    """A context that leaves torch's random stream as it was: a training draws from its own."""
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        yield


def seed_step(seed: int, epoch: int, step: int, rank: int = 0) -> None:
    """Seed torch's random stream (dropout) for a step, whatever came before it.

    Args:
        seed: The seed of the training.
        epoch: The epoch, from 0.
        step: The step of the epoch, from 0.
        rank: The number of this process, from 0: each has its own stream.
    """
    state = np.random.SeedSequence([seed, epoch, step, rank]).generate_state(1, np.uint64)
    # torch.manual_seed would note a stack trace for each device that is not there
    torch.default_generator.manual_seed(int(state[0]))
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed(int(state[0]))
