"""A tiny workspace: an untrained LeNet-5 for the digits, small settings, and no process left."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RunError
from sfp_viz.runs import liveness
from sfp_viz.runs.create.training import create_run
from sfp_viz.runs.launch import process, workers
from sfp_viz.runs.launch.process import cancel
from sfp_viz.runs.storage.processes import ROOT
from tests.runs.forking import NOTES, WARM


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
    made: list[Path] = []

    def make(name: str = "digits", settings: Distillation = small, **more) -> Path:
        more = {"start": network_file, "teacher": network_file, "data": "digits", **more}
        made.append(create_run(tmp_path, name=name, settings=settings, **more))
        return made[-1]

    yield make
    for path in made:
        with suppress(RunError):  # some tests break or delete their folder
            cancel(path, wait=0.0)


@pytest.fixture
def noting(tmp_path, monkeypatch) -> None:
    """Workers run on one thread, and note their steps."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "sitecustomize.py").write_text(NOTES)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "notes"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def warm(noting, monkeypatch):
    """Workers start in no time: a process that has all libraries loaded forks them."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ['PYTHONPATH']}"}
    words = [sys.executable, "-c", WARM]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        send, answers = server.stdin, server.stdout

        def start(command: list[str], **_: object) -> int:
            print(command[-1], file=send, flush=True)
            return int(answers.readline())

        def alive(number: int, *_: object) -> bool:
            return psutil.pid_exists(number)

        monkeypatch.setattr(process, "start", start)
        monkeypatch.setattr(workers, "is_alive", alive)
        monkeypatch.setattr(liveness, "is_alive", alive)
        yield
        send.close()
