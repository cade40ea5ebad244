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
    """Write ``model`` as ONNX, with any batch size and normalized float32 images [N, C, H, W].

    Args:
        model: The network.
        path: The file; its folder is made.

    Returns:
        The largest absolute difference of its logits in onnxruntime from torch's, on noise at batch
        sizes 1 and 3.

    Raises:
        ModelError: The network cannot be exported, or the difference is above 1e-4; then no file is
            left.
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
                f"The logits of the ONNX file of '{model.name}' differ from the network's by "
                f"{difference:.2g}, more than {LARGEST_DIFFERENCE:g}, so it was not kept. Save the "
                "network as safetensors instead."
            )
    return difference


def parity(model: Model, path: Path) -> float:
    """The largest absolute difference between the logits of ``model`` and of an ONNX file, measured
    on noise at batch sizes 1 and 3.

    Args:
        model: The network.
        path: The ONNX file of it.
    """
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
    """Write ``model`` as a program of torch.export (.pt2), with any batch size and normalized
    float32 images [N, C, H, W].

    Args:
        model: The network.
        path: The file; its folder is made.

    Returns:
        The largest absolute difference of the reloaded program's logits, on noise at batch sizes 1
        and 3.

    Raises:
        ModelError: The network cannot be exported, the difference is above 1e-4, or the file cannot
            be written; then no file is left.
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
            f"The logits of the exported program of '{model.name}' differ from the network's by "
            f"{largest:.2g}, more than {LARGEST_DIFFERENCE:g}, so it was not kept. Save the "
            "network as safetensors instead."
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
        reason = (str(problem).strip().splitlines() or [type(problem).__name__])[0][:200]
        raise ModelError(
            f"The network '{model.name}' cannot be exported as {kind}: {reason}. Save it as "
            "safetensors instead."
        ) from problem


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences the exporters' own deprecation warnings, and nothing else."""
    with warnings.catch_warnings():
        for module in ("torch", "onnxscript", "onnx_ir", "copyreg"):
            for category in (DeprecationWarning, FutureWarning):
                warnings.filterwarnings("ignore", category=category, module=rf"{module}(\.|$)")
        yield
