"""What a teacher costs: seconds of an epoch without one, with one, and with its answers kept.

    python benchmarks/distill_cost.py [--json] [--images 1024] [--rounds 3]

The student is our ResNet-20 (CIFAR-10) with half of its filters' MACs gone, the teacher the whole
network, the images random pixels (only time counts). The ways take turns in one process, so that a
loaded machine slows all of them alike; medians. Writes docs/results/distill_cost.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from pathlib import Path

import numpy as np
import torch

from sfp_viz.core.making import make_plan_for
from sfp_viz.core.recipe import uniform_l1
from sfp_viz.core.training import Distillation
from sfp_viz.nets.data import Images
from sfp_viz.nets.distill import Training
from sfp_viz.nets.reading import read_network
from sfp_viz.nets.samples import sample_path
from sfp_viz.nets.saved import load_saved
from sfp_viz.nets.surgery import prune

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results" / "distill_cost.json"
WAYS = {
    "labels alone": {"alpha": 0.0, "augmentation": "crop_flip"},
    "teacher, new copies in each epoch": {"augmentation": "crop_flip"},
    "teacher, 1 copy that comes again": {"augmentation": "crop_flip", "teacher_views": 1},
}


def measure(images: int, rounds: int) -> dict:
    """Seconds of an epoch of each way (median), and their ratio to labels alone."""
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (images, 3, 32, 32), dtype=np.uint8)
    train = Images("random pixels", "train", pixels, draw.integers(0, 10, images))
    whole = load_saved(sample_path("resnet20_cifar10"))
    student = prune(whole, make_plan_for(read_network(whole), uniform_l1(0.5)))
    sessions = {
        name: Training(
            student, teacher=whole, train=train, test=train.first(0),
            settings=Distillation(epochs=rounds + 1, **changes),
        )
        for name, changes in WAYS.items()
    }  # fmt: skip
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    for turn in range(rounds + 1):
        for name, session in sessions.items():
            epoch = session.epoch()
            assert epoch is not None
            if turn:  # the first epoch asks the teacher and warms caches
                times[name].append(images / epoch.images_per_second)
    seconds = {name: statistics.median(found) for name, found in times.items()}
    base = seconds["labels alone"]
    return {
        "student": f"{student.name}, half of the MACs",
        "images": images,
        "rounds": rounds,
        "seconds_an_epoch": {name: round(value, 3) for name, value in seconds.items()},
        "ratio": {name: round(value / base, 3) for name, value in seconds.items()},
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2),
        "machine": platform.machine(),
        "torch": torch.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    found = measure(asked.images, asked.rounds)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    if asked.json:
        print(json.dumps(found))
        return
    for name, ratio in found["ratio"].items():
        print(f"{name:36} {found['seconds_an_epoch'][name]:7.2f} s  {ratio:.2f} x")


if __name__ == "__main__":
    main()
