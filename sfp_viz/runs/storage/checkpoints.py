"""The checkpoints of a training: two files, one of them always whole, the newest valid one used."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfp_viz.errors import RunError
from sfp_viz.files import atomic_path, sync_file

FILES = ("checkpoint-1.safetensors", "checkpoint-2.safetensors")
OLD = "checkpoint.safetensors"  # the one file of earlier versions


@dataclass(frozen=True)
class Checkpoint:
    """A training after ``done`` epochs and ``step`` steps of the next one: its tensors by name in
    ``state``, and in ``facts`` the numerical settings of the process that wrote ``file``."""

    file: Path
    done: int
    step: int
    state: Mapping[str, Any]
    facts: Mapping[str, Any]


class Checkpoints:
    """The checkpoints in ``folder``, a training's with ``epochs`` lines of history.

    ``last`` is the newest one that is valid and has its lines, None before any. The file that is
    not the newest is written next; but the checkpoint of the last whole epoch stays until the next
    epoch is whole: a training that goes astray falls back to it. Raises RunError when there are
    checkpoints, but none is of use.
    """

    def __init__(self, folder: Path, *, epochs: int) -> None:
        self._folder = folder
        self._at: dict[str, tuple[int, int]] = {}  # file -> epochs, and steps of the next one
        self.last: Checkpoint | None = None
        problems, ahead = [], 0
        for name in (*FILES, OLD):
            try:
                checkpoint = read_checkpoint(folder / name) if (folder / name).exists() else None
            except RunError as problem:
                problems.append(str(problem))
                continue
            if checkpoint is not None and checkpoint.done > epochs:
                ahead = max(ahead, checkpoint.done)
            elif checkpoint is not None:
                self._at[name] = checkpoint.done, checkpoint.step
                if self._newest() == name:
                    self.last = checkpoint
        if self.last is None and ahead:
            raise RunError(
                f"The history has {epochs} epochs, the checkpoint {ahead}: a file of this run was "
                "changed or lost. Start a new run."
            )
        if self.last is None and problems:
            raise RunError(problems[0])

    def save(
        self, state: Mapping[str, Any], facts: Mapping[str, Any], *, done: int, step: int = 0
    ) -> None:
        """Write a checkpoint; it lies on the disk, whole, when this returns.

        Args:
            state: The state of the training, by name.
            facts: The numerical settings of this process.
            done: Whole epochs of the training.
            step: Steps of the next epoch.

        Raises:
            OSError, SafetensorError: It cannot be written.
        """
        from sfp_viz.nets.training.checkpoint import save_checkpoint

        name = self._next(step)
        with atomic_path(self._folder / name) as fresh:
            save_checkpoint(fresh, dict(state), dict(facts))
            sync_file(fresh)
        self._at[name] = done, step
        self._at.pop(OLD, None)
        (self._folder / OLD).unlink(missing_ok=True)

    def drop_begun(self) -> None:
        """Remove what was written in the middle of an epoch: the last whole one is the newest."""
        for name in [name for name, (_, step) in self._at.items() if step]:
            (self._folder / name).unlink(missing_ok=True)
            del self._at[name]

    def _newest(self) -> str:
        return max(self._at, key=lambda name: self._at[name], default="")

    def _next(self, step: int) -> str:
        """The file to write; the other one, or nothing yet, is the newest."""
        unused = [name for name in FILES if name not in self._at]
        if unused:
            return unused[0]
        newest = self._newest()
        other = FILES[0] if newest == FILES[1] else FILES[1]
        astray = step and self._at[newest][1] and not self._at[other][1]
        return newest if astray else other


def read_newest(folder: Path) -> Checkpoint | None:
    """The newest valid checkpoint in ``folder``, also while a worker writes there."""
    checkpoints = []
    for name in (*FILES, OLD):
        with suppress(RunError):
            checkpoints += [read_checkpoint(folder / name)] if (folder / name).exists() else []
    return max(checkpoints, key=lambda checkpoint: (checkpoint.done, checkpoint.step), default=None)


def read_checkpoint(file: Path) -> Checkpoint:
    """Read a checkpoint. Raises RunError when it is broken or not ours."""
    from sfp_viz.nets.training.checkpoint import load_checkpoint

    state, facts = load_checkpoint(file)
    try:
        done, step = int(state["done"]), int(state.get("step", 0))
    except (KeyError, TypeError, ValueError, RuntimeError) as problem:
        raise RunError(
            f"The checkpoint {file.name} does not say where it stopped: {problem!r}. Delete it to "
            "start the run from its first epoch."
        ) from problem
    return Checkpoint(file, done, step, state, facts)
