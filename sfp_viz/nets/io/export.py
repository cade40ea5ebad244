"""A network as a file for other programs: ONNX, checked in onnxruntime."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from sfp_viz.errors import ModelError
from sfp_viz.files import atomic_path
from sfp_viz.nets.exported.from_module import export_program, quiet
from sfp_viz.nets.io.exported_file import BATCHES, LARGEST_DIFFERENCE
from sfp_viz.nets.model import Model

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
    with _as_model_error(model, "ONNX"), quiet():
        written = torch.onnx.export(
            export_program(model.module, model.input_shape),
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
    on noise at batch sizes 1, 3 and 32.

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
    for batch in BATCHES:
        images = noise.standard_normal((batch, *model.input_shape)).astype(np.float32)
        with torch.inference_mode():
            expected = module(torch.from_numpy(images)).numpy()
        logits = session.run(None, {session.get_inputs()[0].name: images})[0]
        largest = max(largest, float(np.abs(expected - np.asarray(logits)).max()))
    return largest


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
