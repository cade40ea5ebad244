"""A network as a file for other programs: ONNX, checked in onnxruntime, and torch.export's .pt2."""

from __future__ import annotations

import contextlib
import copy
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from sfp_viz.errors import ModelError
from sfp_viz.files import atomic_path, write_bytes
from sfp_viz.nets.model import Model

LARGEST_DIFFERENCE = 1e-4
_BATCHES = (1, 3)
_OPSET = 20


def export_onnx(model: Model, path: str | Path) -> float:
    """Write ``model`` as ONNX (dynamic batch, normalised float32 input [N, C, H, W]).

    Returns the largest absolute difference of its logits in onnxruntime from torch's, measured
    on noise at batch 1 and 3. Raises ModelError when the network cannot be exported, or when
    the difference is above 1e-4; then no file is left.
    """
    path = Path(path)
    with _as_model_error(model, "ONNX"), _quiet():
        written = torch.onnx.export(
            _program(model),
            dynamo=True,
            input_names=["images"],
            output_names=["logits"],
            opset_version=_OPSET,
            verbose=False,
        )
        assert written is not None
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as fresh:
        with _as_model_error(model, "ONNX"):
            written.save(str(fresh))
            difference = parity(model, fresh)
        if not difference <= LARGEST_DIFFERENCE:
            raise ModelError(
                f"The ONNX file of '{model.name}' gives logits that differ from the network's by "
                f"{difference:.2g}; up to {LARGEST_DIFFERENCE:g} is allowed. It was not kept."
            )
    return difference


def parity(model: Model, path: Path) -> float:
    """Largest absolute difference between the logits of ``model`` and an ONNX file; measured."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    module = copy.deepcopy(model.module).eval()
    noise = np.random.default_rng(0)
    largest = 0.0
    for batch in _BATCHES:
        images = noise.standard_normal((batch, *model.input_shape)).astype(np.float32)
        with torch.inference_mode():
            expected = module(torch.from_numpy(images)).numpy()
        logits = session.run(None, {session.get_inputs()[0].name: images})[0]
        largest = max(largest, float(np.abs(expected - np.asarray(logits)).max()))
    return largest


def export_torch(model: Model, path: str | Path) -> float:
    """Write ``model`` as a .pt2 program of torch.export (dynamic batch).

    Returns the largest absolute difference of the reloaded program's logits, at batch 1 and 3.
    Raises ModelError when the network cannot be exported or differs by more than 1e-4.
    """
    archive = io.BytesIO()
    with _as_model_error(model, "torch.export"), _quiet():
        torch.export.save(_program(model), archive)
        archive.seek(0)
        reloaded = torch.export.load(archive).module()
    module = copy.deepcopy(model.module).eval()
    largest = 0.0
    for batch in _BATCHES:
        images = torch.randn(batch, *model.input_shape, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            largest = max(largest, float((module(images) - reloaded(images)).abs().max()))
    if not largest <= LARGEST_DIFFERENCE:
        raise ModelError(
            f"The exported program of '{model.name}' differs from the network by "
            f"{largest:.2g}; up to {LARGEST_DIFFERENCE:g} is allowed. It was not kept."
        )
    with _as_model_error(model, "torch.export"):
        write_bytes(Path(path), archive.getvalue(), durable=False, parents=True)
    return largest


def _program(model: Model) -> torch.export.ExportedProgram:
    module = copy.deepcopy(model.module).cpu().eval()
    batch = torch.export.Dim("batch", min=1)
    images = torch.zeros(2, *model.input_shape)  # 2: a batch of 1 would be taken as fixed
    return torch.export.export(module, (images,), dynamic_shapes=({0: batch},))


@contextlib.contextmanager
def _as_model_error(model: Model, kind: str) -> Iterator[None]:
    """Turns what the exporters raise into a ModelError with a sentence."""
    try:
        yield
    except ModelError:
        raise
    except Exception as problem:  # exporters raise whatever their passes raise
        first = (str(problem).strip().splitlines() or [type(problem).__name__])[0][:200]
        raise ModelError(
            f"The network '{model.name}' cannot be exported as {kind}: {first}. Its safetensors "
            "file can be saved all the same."
        ) from problem


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences the exporters' own deprecation warnings, and nothing else."""
    with warnings.catch_warnings():
        for module in ("torch", "onnxscript", "onnx_ir", "copyreg"):
            for kind in (DeprecationWarning, FutureWarning):
                warnings.filterwarnings("ignore", category=kind, module=rf"{module}(\.|$)")
        yield
