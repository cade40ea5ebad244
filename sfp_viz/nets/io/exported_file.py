"""A .pt2 file as a Model, and a Model as a .pt2 file that other programs open too."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from sfp_viz.errors import ModelError
from sfp_viz.files import write_bytes
from sfp_viz.nets.exported.archive import EXTRA
from sfp_viz.nets.exported.from_module import export_program, quiet
from sfp_viz.nets.exported.module import ARCHITECTURE, arguments_of
from sfp_viz.nets.exported.read import read_pt2
from sfp_viz.nets.forward import first_line
from sfp_viz.nets.io.model_file import check_size, facts_of, header_of
from sfp_viz.nets.io.parity import check_parity
from sfp_viz.nets.model import Model, Source, check_model
from sfp_viz.nets.zoo import build

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def load_exported(path: Path, input_shape: tuple[int, int, int] | None = None) -> Model:
    """The network in a .pt2 file of torch.export, under its author's names.

    Args:
        path: The file.
        input_shape: (channels, height, width) of the images; None takes those of the export.

    Raises:
        ModelError: It is damaged, unsafe or of a kind that is not followed here, or has no 2-D
            convolution.
    """
    check_size(path)
    module, program, header = read_pt2(path, path.name)
    if not any(isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) for layer in module.modules()):
        raise ModelError(
            f"The network in {path.name} has no 2-D convolution with weights of its own, so there "
            "are no filters to look into."
        )
    channels, height, width = program.input_shape
    shape = input_shape or (channels, height, width)
    facts = facts_of(header, path.name) if header else {}
    if facts.get("input_shape") != shape:
        mean, std = _IMAGENET if shape[0] == 3 else ((), ())
        source = Source(known=False)
        facts = {"name": path.stem, "mean": mean, "std": std, "source": source}
    facts |= {"architecture": ARCHITECTURE, "arguments": arguments_of(program), "added_biases": ()}
    classes = build.count_classes(module, shape)
    return Model(module, **{**facts, "input_shape": shape, "classes": classes})


def export_pt2(model: Model, path: str | Path) -> float:
    """Write ``model`` as a .pt2 program of torch.export, for any number of images.

    ``load_model`` opens it again, with the plans and preprocessing that the file holds beside the
    program.

    Args:
        model: The network.
        path: The file to write.

    Returns:
        The largest difference of the reloaded program's outputs, measured on noise at batches of 1,
        3 and 32, as a share of the outputs' scale.

    Raises:
        ModelError: The network cannot be exported, the program does not run at one of the batches,
            or differs by more than 1e-4; then no file is left.
    """
    check_model(model)
    header = header_of(replace(model, architecture=None, arguments={}))
    archive = io.BytesIO()
    try:
        program = export_program(model.module, model.input_shape)
        with quiet():
            torch.export.save(program, archive, extra_files={EXTRA: header})
            archive.seek(0)
            reloaded = torch.export.load(archive).module()
    except Exception as problem:  # torch.export raises whatever its passes raise
        raise ModelError(
            f"The network '{model.name}' cannot be exported as torch.export: {first_line(problem)}."
            " Save it as safetensors instead."
        ) from problem
    difference = check_parity(model, reloaded, file="exported program")
    try:
        write_bytes(Path(path), archive.getvalue(), durable=False, parents=True)
    except OSError as problem:
        raise ModelError(f"The file {path} cannot be written: {problem}.") from problem
    return difference


export_torch = export_pt2  # its name in version 0.1
