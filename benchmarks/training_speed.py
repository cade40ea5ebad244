"""What distillation costs, and what our loop adds to it.

    python benchmarks/training_speed.py [--rounds 15] [--steps 8] [--starts 3] [--json]

The student is our ResNet-20 (CIFAR-10) with half of its MACs gone, the teacher the whole network,
the images random pixels (only time counts). The ways take turns, in another order in each round,
in short slices of one process, so that other work on the machine slows all of them alike; a ratio
is that of two slices of the same round, and its median and quartiles over the rounds are given, of
the wall clock and of the processor's time (which other work disturbs less). Writes
docs/results/training_speed.json and .md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from methods.training_loops import BATCH, KEPT, LABELS, PARTS, PREPARED, TAUGHT, WHOLE, WORKED, ways

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.plan.recipe import uniform_l1
from sfp_viz.core.plan.request import Request
from sfp_viz.core.selection.planner import make_plan_for
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.history import Epoch
from sfp_viz.files import read_json
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.io.model_file import load_saved, save_model
from sfp_viz.nets.io.samples import sample_path
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.prune import prune
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.nets.training.distill import Training
from sfp_viz.nets.training.reproducibility import numerics
from sfp_viz.runs.create.training import create_run
from sfp_viz.runs.launch.process import cancel, launch
from sfp_viz.runs.storage.checkpoints import Checkpoints
from sfp_viz.runs.storage.history import EPOCHS, append
from sfp_viz.runs.work.heartbeat import Heartbeat

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
EPOCH_STEPS, CHECKPOINT_STEPS = 391, 200  # an epoch of CIFAR-10 at this batch; our default
RATIOS = {
    "distillation / labels alone": (TAUGHT, LABELS),
    "distillation, answers kept / labels alone": (KEPT, LABELS),
    "answers kept / asked anew": (KEPT, TAUGHT),
    "distillation / sum of the parts": (TAUGHT, PARTS),
    "distillation in a worker / sum of the parts": (WORKED, PARTS),
    "distillation in a worker / bare loop": (WORKED, WHOLE),
    "distillation in a worker / bare loop with augmentation": (WORKED, PREPARED),
}


def slices(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list]:
    """Seconds (wall clock, processor) of each call in each round; the first round is left out."""
    seconds: dict[str, list] = {name: [] for name in calls}
    order = random.Random(0)
    for turn in range(rounds + 1):
        for name in order.sample(list(calls), len(calls)):
            begun, busy = time.perf_counter(), time.process_time()
            calls[name]()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if turn:
                seconds[name].append((time.perf_counter() - begun, time.process_time() - busy))
    return seconds


def spread(values: list[float], digits: int = 3) -> dict[str, float]:
    """Median and quartiles."""
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return {"median": round(middle, digits), "q1": round(low, digits), "q3": round(high, digits)}


def keeping(training: Training, folder: Path, times: int = 15) -> dict[str, dict[str, float]]:
    """Milliseconds that the worker waits for a checkpoint, and for a line of the history."""
    checkpoints, facts = Checkpoints(folder, epochs=0), numerics()
    line = Epoch(1, 2, 0.5, 0.5, 0.5, 0, 4.0, 0.01, 100.0, 1.0)
    saved, added = [], []
    for turn in range(times):
        begun = time.perf_counter()
        checkpoints.save(training.state_dict(), facts, done=0, step=turn + 1)
        saved.append((time.perf_counter() - begun) * 1e3)
        begun = time.perf_counter()
        append(folder / EPOCHS, line)
        added.append((time.perf_counter() - begun) * 1e3)
    return {"checkpoint": spread(saved), "line": spread(added)}


def starting(start: Path, home: Path, times: int) -> dict[str, dict[str, float]]:
    """Seconds from the start of a worker to its phases, and to the end of its first step."""
    reached: dict[str, list[float]] = {}
    for turn in range(times):
        settings = Distillation(epochs=1000, train_images=1280, test_images=64)
        path = create_run(
            home, start=start, teacher=start, settings=settings, data="digits", name=f"start-{turn}"
        )
        begun, phases = time.perf_counter(), set()
        launch(path)
        while "first step" not in phases and time.perf_counter() - begun < 300:
            state = read_json(path / "worker.json") or {}
            phase = state.get("phase", "")
            if phase == "training" and (state.get("step") or state.get("done")):
                phase = "first step"
            if phase and phase not in phases:
                phases.add(phase)
                reached.setdefault(phase, []).append(time.perf_counter() - begun)
            time.sleep(0.01)
        cancel(path)
    return {phase: spread(values, 2) for phase, values in reached.items()}


def measure(steps: int, rounds: int, starts: int) -> dict:
    """Everything that is measured, as one record."""
    draw, images = np.random.default_rng(0), 8 * steps * BATCH  # an epoch ends in every 8th slice
    pixels = draw.integers(0, 256, (images, 3, 32, 32), dtype=np.uint8)
    train = Images("random pixels", "train", pixels, draw.integers(0, 10, images))
    teacher = load_saved(sample_path("resnet20_cifar10"))
    student = prune(
        teacher, make_plan_for(Problem(read_network(teacher), Request(uniform_l1(0.5))))
    )
    facts = numerics()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        folder.mkdir()
        heartbeat = Heartbeat(folder)
        heartbeat.start()
        times = slices(ways(student, teacher, train, heartbeat, steps), rounds)
        training = Training(
            student, teacher=None, train=train, test=train.first(0), settings=Distillation()
        )
        training.epoch((lambda stops: lambda: next(stops))(iter([False, True])))
        kept = keeping(training, folder)
        heartbeat.end("finished")
        save_model(digits_network(), Path(place) / "lenet.safetensors")
        begun = starting(Path(place) / "lenet.safetensors", Path(place), starts) if starts else {}
    wall, busy = ({n: [t[k] for t in pairs] for n, pairs in times.items()} for k in (0, 1))
    ratios = {
        name: {
            "wall": spread([a / b for a, b in zip(wall[over], wall[under], strict=True)]),
            "processor": spread([a / b for a, b in zip(busy[over], busy[under], strict=True)]),
        }
        for name, (over, under) in RATIOS.items()
    }
    step = statistics.median(wall[WHOLE]) / steps * 1e3
    keep = kept["checkpoint"]["median"] * (1 / CHECKPOINT_STEPS + 1 / EPOCH_STEPS)
    keep += kept["line"]["median"] / EPOCH_STEPS
    return {
        "images_per_second": {
            n: spread([steps * BATCH / t for t in v], 1) for n, v in wall.items()
        },
        "ratios": ratios,
        "milliseconds": {"step": round(step, 2), **kept},
        "checkpoints_and_history_percent": round(100 * keep / step, 3),
        "seconds_from_start_to": begun,
        "student": f"{student.name}, half of the MACs gone",
        "steps": steps,
        "batch": BATCH,
        "rounds": rounds,
        "load": round(os.getloadavg()[0], 2),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        **facts,
    }


def digits_network() -> Model:
    """An untrained LeNet-5 for the digits, which are on every machine."""
    from sfp_viz.nets.zoo.architectures import build

    arguments = {"channels": 1, "side": 8, "classes": 10}
    module = build("lenet5", arguments)
    return Model(module, "lenet5", (1, 8, 8), architecture="lenet5", arguments=arguments)


def table(record: dict) -> str:
    """The record as Markdown."""

    def cell(value: dict[str, float]) -> str:
        return f"{value['median']:g} ({value['q1']:g} to {value['q3']:g})"

    speeds = [f"| {n} | {cell(v)} |" for n, v in record["images_per_second"].items()]
    ratios = [
        f"| {name} | {cell(value['wall'])} | {cell(value['processor'])} |"
        for name, value in record["ratios"].items()
    ]
    begun = [f"| {phase} | {cell(v)} |" for phase, v in record["seconds_from_start_to"].items()]
    kept = record["milliseconds"]
    return "\n".join(
        [
            "# The speed of trainings",
            "",
            "`benchmarks/training_speed.py`; measured, medians and quartiles of "
            f"{record['rounds']} rounds of {record['steps']} steps with {record['batch']} random "
            f"32x32 images each, on {record['device']}, {record['cores']} cores, "
            f"{record['threads']} threads, load {record['load']}, torch {record['torch']}. "
            f"Student: {record['student']}; the teacher is the whole network.",
            "",
            "Time of one way over another, in the same round:",
            "",
            "| ratio | wall clock | processor's time |",
            "|---|---|---|",
            *ratios,
            "",
            "The parts: student forward, backward and SGD step, and the teacher's forward, in "
            "plain torch loops over tensors that lie ready; the bare loop adds the loss. Ours "
            "also shuffles, augments, normalizes, counts, and in a worker beats and listens.",
            "",
            "| way | images per second |",
            "|---|---|",
            *speeds,
            "",
            f"A checkpoint takes {cell(kept['checkpoint'])} ms, a line of the history "
            f"{cell(kept['line'])} ms, a step {kept['step']} ms: with a checkpoint every "
            f"{CHECKPOINT_STEPS} steps and after each epoch of {EPOCH_STEPS}, they add "
            f"{record['checkpoints_and_history_percent']} %.",
            "",
            "| worker of a small run, from its start to | seconds |",
            "|---|---|",
            *begun,
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the record, not the table")
    parser.add_argument(
        "--steps", type=int, default=8, help=f"steps of a slice, {BATCH} images each"
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--starts", type=int, default=3, help="workers to start")
    parser.add_argument("--to", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args()
    results = measure(options.steps, options.rounds, options.starts)
    options.to.mkdir(parents=True, exist_ok=True)
    (options.to / "training_speed.json").write_text(json.dumps(results, indent=1) + "\n")
    (options.to / "training_speed.md").write_text(table(results))
    print(json.dumps(results) if options.json else table(results))


if __name__ == "__main__":
    main()
