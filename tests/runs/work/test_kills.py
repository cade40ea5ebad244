"""Kill -9 at any moment: the run resumes, loses no more than the steps since its last checkpoint,
and ends with the very bytes of a run that nobody disturbed."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.files import read_json
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.launch.process import launch, watch
from sfp_viz.runs.resume import resume
from sfp_viz.runs.storage.checkpoints import read_newest
from sfp_viz.runs.storage.records import Run
from tests.half_written import nothing_is_half_written

EVERY = 8  # steps between checkpoints
SETTINGS = Distillation(
    epochs=6, batch_size=16, learning_rate=0.05, augmentation="shift", checkpoint_steps=EVERY,
    ema=0.9, schedule="adaptive", train_images=600, test_images=100,
)  # fmt: skip
STEPS = 38  # of an epoch: 600 images, 16 at a time


@dataclass(frozen=True)
class Kill:
    """Where the worker was when it was killed, in steps since the run began, what it was doing,
    and how many of these steps were lost."""

    position: int
    phase: str
    lost: int


def undisturbed(path: Path) -> Run:
    launch(path)
    run = list(watch(path, every=0.02))[-1]
    assert (run.state, run.message) == ("finished", "")
    return run


def kill(path: Path, moments: random.Random, longest: float) -> Kill | None:
    """Kill the worker within ``longest`` seconds of its training, or while it starts; None when
    the run was finished before."""
    number = (read_json(path / "launch.json") or {})["pid"]
    trains = moments.random() > 0.2
    while trains and _phase(path) != "training":
        if read_run(path).over:
            break
        time.sleep(0.002)
    time.sleep(moments.uniform(0, longest))
    phase = _phase(path)
    with suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)
    died = time.monotonic()
    run = list(watch(path, every=0.002))[-1]
    if run.state == "finished":
        return None
    assert run.state == "lost", run.message
    assert time.monotonic() - died < 10
    notes = path.with_name(path.name + ".steps")
    lines = notes.read_text().splitlines() if notes.exists() else []
    done, step = map(int, lines[-1].split()) if lines else (0, 0)
    kept = read_newest(path)
    at, position = (kept.done * STEPS + kept.step if kept else 0), done * STEPS + step
    notes.unlink(missing_ok=True)
    return Kill(max(at, position), phase, max(0, position - at))


def _phase(path: Path) -> str:
    worker = read_json(path / "worker.json") or {}
    launched = read_json(path / "launch.json") or {}
    return str(worker.get("phase")) if worker.get("attempt") == launched.get("attempt") else ""


def killed(path: Path, moments: random.Random, *, most: int, longest: float) -> list[Kill]:
    """Kill the run's worker ``most`` times at the most, each time resumed, and let it end."""
    kills: list[Kill] = []
    launch(path)
    while len(kills) < most:
        found = kill(path, moments, longest)
        if found is None:
            return kills
        kills.append(found)
        resume(path)
    run = list(watch(path, every=0.02))[-1]
    assert (run.state, run.message) == ("finished", "")
    return kills


def check(path: Path, alone: Run, kills: list[Kill]) -> None:
    run = read_run(path)
    assert run.student.read_bytes() == alone.student.read_bytes()
    assert [e.loss for e in run.epochs] == [e.loss for e in alone.epochs]
    assert [e.test_accuracy for e in run.epochs] == [e.test_accuracy for e in alone.epochs]
    assert all(kill.lost <= EVERY for kill in kills), kills
    assert nothing_is_half_written(path)


def test_a_run_killed_five_times_ends_with_the_same_bytes(noted_steps, new_run):
    alone = undisturbed(new_run(settings=SETTINGS))
    moments = random.Random(11)
    kills: list[Kill] = []
    while len(kills) < 5:
        path = new_run(settings=SETTINGS)
        more = killed(path, moments, most=5 - len(kills), longest=alone.result.seconds / 4)
        check(path, alone, more)
        kills += more
    assert any(kill.position for kill in kills)


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "most"), [("forked_workers", 50), ("new_processes", 10)])
def test_runs_killed_at_many_moments_end_with_the_same_bytes(
    workers, most, request, noted_steps, new_run
):
    """Fifty with workers that start in no time, ten with workers as the app starts them."""
    request.getfixturevalue(workers)
    alone = undisturbed(new_run(settings=SETTINGS))
    moments = random.Random(50)
    kills: list[Kill] = []
    runs = 0
    while len(kills) < most:
        path = new_run(settings=SETTINGS)
        more = killed(path, moments, most=most - len(kills), longest=alone.result.seconds / 4)
        check(path, alone, more)
        kills, runs = kills + more, runs + 1
    lost = sum(kill.lost for kill in kills)
    at_work = sum(kill.phase == "training" for kill in kills)
    print(
        f"\n{len(kills)} kills in {runs} runs, {at_work} of them in training; steps lost a kill: "
        f"{lost / len(kills):.1f} on average, {max(kill.lost for kill in kills)} at most; all "
        "networks byte for byte as undisturbed"
    )
