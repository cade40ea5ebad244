"""Networks that a benchmark needs and nobody ships: trained once, kept in the workspace."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import sfp_viz as sfp
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.nets.io.model_file import load_saved, save_model
from sfp_viz.nets.training.distill import Training
from sfp_viz.nets.zoo.architectures import architectures


def trained(
    name: str, architecture: str, arguments: Mapping[str, Any], data: str, settings: Distillation
) -> sfp.Model:
    """The network called ``name``, trained on the labels of ``data`` alone, with seed 0."""
    home = Path(os.environ.get("SFP_VIZ_HOME", ".sfp_viz"))
    file = home / "benchmarks" / f"{name}.safetensors"
    if not file.exists():
        train = sfp.load_data(data, "train")
        torch.manual_seed(0)
        model = sfp.Model(
            architectures.build(architecture, arguments), name=name, input_shape=train.pixels.shape[1:],
            architecture=architecture, arguments=arguments, data=data,
        )  # fmt: skip
        training = Training(
            model, teacher=None, train=train, test=train.first(0), settings=settings
        )
        while training.done < settings.epochs:
            training.epoch()
        file.parent.mkdir(parents=True, exist_ok=True)
        save_model(training.model(), file)
    return load_saved(file)
