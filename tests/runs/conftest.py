"""A tiny workspace: an untrained LeNet-5 for the digits, small settings, and no process left."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from sfp_viz.core.training import Distillation
from sfp_viz.errors import RunError
from sfp_viz.runs.folder import create_run
from sfp_viz.runs.process import cancel


@pytest.fixture(scope="session")
def network_file(tmp_path_factory) -> Path:
    """An untrained LeNet-5 for the digits, seeded, in a file of ours."""
    import torch

    from sfp_viz.nets.model import Model
    from sfp_viz.nets.saved import save_model
    from sfp_viz.nets.zoo import build

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
