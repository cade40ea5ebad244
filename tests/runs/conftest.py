"""A tiny workspace: an untrained LeNet-5 for the digits, small settings, and no process left."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import Path

import pytest

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RunError
from sfp_viz.runs.create.training import create_run
from sfp_viz.runs.launch import ray_launch
from sfp_viz.runs.launch.workers import end_group, signal_workers
from sfp_viz.runs.storage.launch_record import LaunchRecord


@pytest.fixture(autouse=True)
def _forked_workers(forked_workers) -> None:
    """Workers are forked, unless a test asks for ``new_processes``."""


@pytest.fixture(scope="session")
def network_file(tmp_path_factory) -> Path:
    """An untrained LeNet-5 for the digits, seeded, in a file of ours."""
    import torch

    from sfp_viz.nets.io.model_file import save_model
    from sfp_viz.nets.model import Model
    from sfp_viz.nets.zoo.architectures import build

    torch.manual_seed(3)
    arguments = {"channels": 1, "side": 8, "classes": 10}
    model = Model(
        build("lenet5", arguments),
        "lenet5",
        (1, 8, 8),
        architecture="lenet5",
        arguments=arguments,
        data="digits",
    )
    path = tmp_path_factory.mktemp("networks") / "lenet5.safetensors"
    save_model(model, path)
    return path


@pytest.fixture
def small() -> Distillation:
    return Distillation(epochs=3, batch_size=64, augmentation="shift", learning_rate=0.05)


@pytest.fixture
def new_run(tmp_path, network_file, small):
    """Makes runs in a workspace of the test; whatever is still at work is stopped at the end."""
    paths: list[Path] = []

    def make(name: str = "digits", settings: Distillation = small, **more) -> Path:
        more = {"start": network_file, "teacher": network_file, "data": "digits", **more}
        paths.append(create_run(tmp_path, name=name, settings=settings, **more))
        return paths[-1]

    yield make
    for path in paths:
        with suppress(RunError, OSError):  # some tests break or delete their folder
            ray_launch.stop(path, LaunchRecord.load(path))
            signal_workers(path, signal.SIGKILL)
            end_group(path)


NOTES = """
import os
from sfp_viz.runs.work.heartbeat import Heartbeat
step = Heartbeat.step
def noted(self):
    stop = step(self)
    file = os.open(str(self._folder) + ".steps", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{self._record.done} {self._step}\\n".encode())
    os.close(file)
    return stop
Heartbeat.step = noted
"""


@pytest.fixture
def noted_steps(tmp_path, monkeypatch) -> None:
    """Workers run on one thread, and note each step as it begins, in a file beside their folder."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "sitecustomize.py").write_text(NOTES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "notes"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
