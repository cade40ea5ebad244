"""A .pt2 file of torch.export as a module with its author's names, safely."""

from __future__ import annotations

import math
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from sfp_viz.errors import ModelError
from sfp_viz.nets.exported.archive import read_archive
from sfp_viz.nets.exported.convert import convert
from sfp_viz.nets.exported.module import ExportedNetwork, lay_out
from sfp_viz.nets.exported.program import Program

_OTHER_BATCHES = (1, 3)
_TOLERANCE = 1e-3  # of the largest output, between one image alone and in a batch
_MOST_PIXELS = 4_000_000  # of an input


def read_pt2(file: Path | BytesIO, name: str) -> tuple[ExportedNetwork, Program, Mapping[str, Any]]:
    """The network of a .pt2 file with its weights, its program, and sfp-viz's header if it has one.

    Args:
        file: The file, or its content.
        name: What messages call it.

    Raises:
        ModelError: The file is damaged or hostile, or the network uses what cannot be opened.
    """
    archive = read_archive(file, name)
    try:
        program, state = convert(archive.program, archive.tensors)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, RecursionError) as problem:
        raise ModelError(
            f"The program in {name} is not as torch.export writes it: "
            f"{repr(problem)[:200]}. Save the network again with the version of PyTorch that is "
            f"installed here ({torch.__version__})."
        ) from problem
    if not 0 < math.prod(program.input_shape) <= _MOST_PIXELS:
        raise ModelError(
            f"The network in {name} takes images of {program.input_shape} (channels, height, "
            f"width), not of 1 to {_MOST_PIXELS:,} values."
        )
    network = lay_out(program)
    try:
        network.load_state_dict(state, strict=True, assign=True)
    except RuntimeError as problem:
        raise ModelError(
            f"The weights in {name} do not fit its program: {' '.join(str(problem).split())[:300]}"
        ) from problem
    for parameter in network.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    network.eval()
    _check_batches(network, program, name)
    return network, program, archive.header


def _check_batches(network: ExportedNetwork, program: Program, name: str) -> None:
    """ModelError where a network exported for a fixed number of images cannot take another."""
    if program.batch is None:
        return
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(max(_OTHER_BATCHES), *program.input_shape, generator=draw)
    try:
        with torch.inference_mode():
            outputs = [network(images[:count]) for count in _OTHER_BATCHES]
    except Exception as problem:  # whatever a network's own operations may raise
        raise ModelError(_fixed(program, name, str(problem))) from problem
    firsts = [output[0] for output in outputs if isinstance(output, torch.Tensor)]
    if firsts and (firsts[0] - firsts[1]).abs().max() > _TOLERANCE * firsts[0].abs().max():
        raise ModelError(_fixed(program, name, "one image's output depends on the others"))


def _fixed(program: Program, name: str, problem: str) -> str:
    noun = "image" if program.batch == 1 else "images"
    return (
        f"The network in {name} was exported for exactly {program.batch} {noun} and does not run "
        f"on other numbers of them ({problem.splitlines()[0][:200] if problem else 'no reason'}). "
        "Export it with dynamic_shapes for the batch."
    )
