"""Runs that prune while training: laying one out, and what it came to so far. Loads no torch.

Besides what a training's folder holds: ``sparse.json`` (what was asked for, by the starter); while
the network becomes sparse ``refreshes.jsonl`` and ``sparsifying/`` with its checkpoints; then
``sparse.safetensors`` (trained, still whole), ``plan.json`` (for those weights),
``start2.safetensors`` (cut), and ``outcome.json`` at the end. ``start.safetensors`` is the unpruned
network, and the teacher. ``settings`` and ``epochs.jsonl`` are those of the fine-tuning after it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from sfp_viz.core.cost.stripes import StripeChoice
from sfp_viz.core.training.history import Epoch, Refresh
from sfp_viz.core.training.sparsification import SparseSettings, sparse_settings
from sfp_viz.errors import RunError, SfpError
from sfp_viz.files import read_json
from sfp_viz.runs.storage.json_record import load_record
from sfp_viz.runs.storage.worker_record import WorkerRecord

KIND = "sparsify"
REQUEST_FILE, REFRESHES, OUTCOME = "sparse.json", "refreshes.jsonl", "outcome.json"
CHECKPOINTS = "sparsifying"  # folder of the checkpoints of the first part
SPARSE, PRUNED = "sparse.safetensors", "start2.safetensors"
_AT_WORK = ("running", "cancelling", "pausing", "paused")
_TAIL = 262_144  # bytes at the end of a history in which its last lines are looked for


@dataclass(frozen=True)
class SparsifyRequest:
    """What a run was asked for: how the network is made sparse, and whether the fine-tuning in
    the run's settings comes after it."""

    settings: SparseSettings
    tuned: bool


@dataclass(frozen=True)
class StripeTimes:
    """Measured medians in milliseconds of ``repeats`` passes of ``batch`` images at ``threads``
    threads of this machine's CPU: the cut network with its dead stripes as zeros (``dense``), all
    of them skipped (``skipping``), and each layer the fastest way (``mixed``, which is kept)."""

    dense: float
    skipping: float
    mixed: float
    batch: int
    threads: int
    repeats: int


@dataclass(frozen=True)
class Outcome:
    """What the first part of a run came to, beside the unpruned network.

    MACs, params and ``activation_bytes`` (the most that one layer's input and output take in
    float32 for one image) are computed, each as (before, after). For stripes the cut network's
    MACs and params with dead stripes as zeros are in ``dense_macs`` and ``dense_params``, those
    in ``macs`` and ``params`` leave them out; how each layer runs is in ``choices``, and ``timed``
    was measured. ``notes`` are sentences of the training, such as on penalties that
    would have left a layer without a filter.
    """

    macs: tuple[int, int]
    params: tuple[int, int]
    activation_bytes: tuple[int, int]
    dense_macs: int
    dense_params: int
    notes: tuple[str, ...] = ()
    choices: tuple[StripeChoice, ...] = ()
    timed: StripeTimes | None = None


def read_sparsify_request(path: Path) -> SparsifyRequest:
    """What the run in ``path`` was asked for. Raises RunError where that is not readable."""
    value = read_json(path / REQUEST_FILE)
    try:
        if value is None or value["format"] != 1:
            raise ValueError("there is no such file, or it is of a newer version")
        return SparsifyRequest(sparse_settings(**value["settings"]), bool(value["tuned"]))
    except (KeyError, TypeError, ValueError, SfpError) as problem:
        raise RunError(
            f"{REQUEST_FILE} of the run at {path} is not readable: {problem}."
        ) from problem


def changed_request(path: Path, **changes: Any) -> str:
    """What the run in ``path`` was asked for with ``changes`` to its settings, as its file says it:
    for a copy of the run. Raises RunError, and RecipeError for settings that make no sense."""
    request = read_sparsify_request(path)
    return _text(SparsifyRequest(replace(request.settings, **changes), request.tuned))


def read_refreshes(path: Path) -> tuple[Refresh, ...]:
    """The history of the first part; what was half written when the worker died is left out."""
    try:
        content = (path / REFRESHES).read_bytes()
    except OSError:
        return ()
    return tuple(_lines(content))


def last_refreshes(path: Path) -> tuple[Refresh, ...]:
    """The last lines of the history, quickly; () before the first."""
    try:
        with (path / REFRESHES).open("rb") as file:
            start = max(0, file.seek(0, 2) - _TAIL)
            file.seek(start)
            content = file.read()
    except OSError:
        return ()
    return tuple(_lines(content.partition(b"\n")[2] if start else content))


def sparsify_progress(
    path: Path, worker: WorkerRecord, epochs: Sequence[Epoch], tuning: int, *, state: str
) -> dict[str, Any]:
    """How far a run is, as fields of Run: epochs done of both phases, of how many, and the seconds
    left, estimated from those that are done.

    Args:
        path: The folder of the run.
        worker: The last heartbeat.
        epochs: The epochs of the fine-tuning that are done.
        tuning: How many epochs the fine-tuning has.
        state: The state of the run.
    """
    lines = last_refreshes(path)
    try:
        request = read_sparsify_request(path)
        first, second = request.settings.epochs, tuning if request.tuned else 0
    except RunError:
        first, second = 0, tuning
    last = lines[-1] if lines else None
    first = last.epochs if last else first
    over = last is not None and last.step == last.steps
    reported = 0.0  # by the worker, of the part that it is at
    if state in _AT_WORK and not (over and worker.phase == "sparsifying"):
        share_of_epoch = worker.step / max(1, worker.steps)
        reported = worker.done + min(1.0, share_of_epoch)
    if over:
        done = first + max(len(epochs), reported)
    else:
        done = max(reported, first * last.step / last.steps if last else 0.0)
    total, seconds_left = first + second, None
    if state == "running" and (pace := _pace(lines, epochs)):
        seconds_left = max(0.0, total - done) * pace
    share = 1.0 if state == "finished" else min(1.0, done / total) if total else 0.0
    return {"done": int(done), "total": total, "progress": share, "seconds_left": seconds_left}


def _pace(lines: Sequence[Refresh], epochs: Sequence[Epoch]) -> float:
    """Seconds that an epoch takes, by those that are done; 0 before any."""
    if epochs:
        return sum(epoch.seconds for epoch in epochs) / len(epochs)
    if len(lines) < 2:
        return 0.0
    steps = lines[-1].step - lines[0].step
    spent = sum(line.seconds for line in lines[1:])
    return spent / max(1, steps) * lines[-1].steps / max(1, lines[-1].epochs)


def read_outcome(path: Path) -> Outcome | None:
    """What the first part came to; None before the run's end."""
    try:
        return load_record(Outcome, path / OUTCOME)
    except RunError:
        return None


def _text(request: SparsifyRequest) -> str:
    entry = {"format": 1, "settings": asdict(request.settings), "tuned": request.tuned}
    return json.dumps(entry, indent=1)


def _lines(content: bytes) -> Iterator[Refresh]:
    """Whole lines, up to the first that is none of ours."""
    names = {field.name for field in fields(Refresh)}
    for line in content.splitlines(keepends=True):
        try:
            value = json.loads(line) if line.endswith(b"\n") else None
            if not isinstance(value, dict):
                return
            values = {name: entry for name, entry in value.items() if name in names}
            yield Refresh(**{name: _tuples(entry) for name, entry in values.items()})
        except (ValueError, TypeError, RecursionError):
            return


def _tuples(value: Any) -> Any:
    """Lists of JSON as the tuples they were."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
