"""What a training needs to go on in another process with the same result: its tensors, the
numerical settings of the process, and a random stream that depends on (seed, epoch, step) alone."""

from __future__ import annotations

import json
import platform
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sfp_viz.errors import RunError


def save_checkpoint(path: Path, state: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write tensors, and JSON ``facts`` in the header, as safetensors."""
    from safetensors.torch import save_file

    whole = {name: tensor.clone() for name, tensor in state.items()}  # tied weights lie twice
    known = {**facts, "checksum": _checksum(whole)}
    save_file(whole, str(path), metadata={"facts": json.dumps(known, sort_keys=True)})


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and facts back. Raises RunError on a file that is broken or not ours."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            facts = json.loads((file.metadata() or {})["facts"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if facts.pop("checksum", None) not in (None, _checksum(state)):  # None: of an older version
            raise ValueError("its content is not what was written")
        return state, facts
    except (SafetensorError, OSError, KeyError, ValueError) as problem:
        raise RunError(
            f"The checkpoint {path.name} is not readable: {problem}. Delete it to start the run "
            "from its first epoch."
        ) from problem


def _checksum(state: dict[str, Tensor]) -> int:
    """CRC-32 of all values, in the order of their names."""
    total = 0
    for name in sorted(state):
        values = state[name].detach().cpu().contiguous().flatten().view(torch.uint8)
        total = zlib.crc32(values.numpy().data, total)
    return total


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
