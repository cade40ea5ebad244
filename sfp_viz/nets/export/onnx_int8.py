"""A network as ONNX in int8: static quantization with calibration images, measured beside float32.

Weights are int8 with one scale a channel, activations uint8 with the range seen on the images;
QuantizeLinear and DequantizeLinear nodes (QDQ) mark them, so every runtime can fuse them.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sfp_viz.core.measurement import Measured, wilson
from sfp_viz.errors import DataError, ModelError
from sfp_viz.files import write_bytes
from sfp_viz.nets.data.compatibility import check_images, check_shape
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.export.onnx_file import as_model_error, export_onnx, onnx_session, runner
from sfp_viz.nets.io.parity import check_parity
from sfp_viz.nets.model import Model, check_model

Progress = Callable[[str], None]
CALIBRATION_IMAGES = 256
LARGEST_DIFFERENCE = 1.0  # of the outputs' scale; above, the file computes something else
_BATCH = 32
_TIMED = 40  # passes of each file


@dataclass(frozen=True)
class Int8Report:
    """The int8 file beside the float32 one.

    Attributes:
        difference: Largest difference of the outputs from the network's on test images at batches
            of 1, 3 and 32, as a share of the outputs' scale.
        calibration: How many images set the ranges.
        bytes: Sizes of the float32 file and of the int8 file.
        measured: Latency of both in onnxruntime, and accuracy where there are test images.
    """

    difference: float
    calibration: int
    bytes: tuple[int, int]
    measured: tuple[Measured, Measured]


def export_onnx_int8(
    model: Model,
    path: str | Path,
    calibration: Images,
    test: Images | None = None,
    *,
    count: int = CALIBRATION_IMAGES,
    progress: Progress | None = None,
) -> Int8Report:
    """Write ``model`` as ONNX in int8, with any batch size and normalized float32 images
    [N, C, H, W], and measure it beside the float32 file.

    Args:
        model: The network.
        path: The file; its folder is made.
        calibration: Training images; up to ``count`` of them, evenly spaced, set the ranges of the
            activations.
        test: Labeled images for the accuracy of both files; None measures none.
        count: Calibration images.
        progress: Called with a line about each step. What it raises ends the work; no file is
            left.

    Raises:
        DataError: The images do not fit the network.
        ModelError: The network cannot be exported or quantized, or the int8 file does not run at a
            batch of 1, 3 or 32, or computes something else; then no file is left.
    """
    check_model(model)
    say = progress or (lambda line: None)
    check_shape(model, calibration, purpose="Calibration", least=1)
    if test is not None:
        check_images(model, test)
    rows = np.unique(np.linspace(0, len(calibration) - 1, count).astype(int))
    with tempfile.TemporaryDirectory() as folder:
        whole, small = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        say("Exporting the float32 file")
        export_onnx(model, whole)
        with _quiet_logging():
            _quantize(model, whole, small, calibration.pixels[rows], say)
        sessions = [_session(model, file) for file in (whole, small)]
        say("Comparing the int8 file with the network")
        samples = calibration if test is None or not len(test) else test
        difference = check_parity(
            model, runner(sessions[1]), file="int8 file", largest=LARGEST_DIFFERENCE,
            draw=lambda batch: model.normalize(
                torch.from_numpy(samples.pixels[np.arange(batch) % len(samples)])
            ),
        )  # fmt: skip
        say("Timing both files")
        whole_time, small_time = _latencies(model, sessions)
        measured = (
            _with_accuracy(whole_time, model, sessions[0], test, "float32", say),
            _with_accuracy(small_time, model, sessions[1], test, "int8", say),
        )
        sizes = whole.stat().st_size, small.stat().st_size
        try:
            write_bytes(Path(path), small.read_bytes(), durable=False, parents=True)
        except OSError as problem:
            raise ModelError(
                f"The file {path} cannot be written: {problem}. Choose another folder."
            ) from problem
    return Int8Report(difference, len(rows), sizes, measured)


def _quantize(model: Model, whole: Path, small: Path, pixels: np.ndarray, say: Progress) -> None:
    """Write ``small``, the int8 file of ``whole``, with ranges seen on ``pixels``."""
    try:
        from onnxruntime.quantization import (
            CalibrationDataReader,
            QuantFormat,
            QuantType,
            quantize_static,
        )
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError as problem:
        raise ModelError(
            f"Quantization needs the packages onnxruntime and onnx: {problem}. Install them, or "
            "export ONNX in float32."
        ) from problem

    class Reader(CalibrationDataReader):
        """Batches of calibration images; what ``say`` raises is kept in ``stopped``."""

        def __init__(self, name: str) -> None:
            self.batches = self._batches(name)
            self.stopped: Exception | None = None

        def _batches(self, name: str) -> Iterator[dict[str, np.ndarray]]:
            for start in range(0, len(pixels), _BATCH):
                try:
                    say(f"Calibrating: {start:,} of {len(pixels):,} images")
                except Exception as problem:
                    self.stopped = problem
                    raise
                images = model.normalize(torch.from_numpy(pixels[start : start + _BATCH]))
                yield {name: images.numpy()}

        def get_next(self) -> Any:
            return next(self.batches, None)

    with as_model_error(model, "ONNX int8"):
        prepared = whole.with_name("prepared.onnx")
        # symbolic shapes are those of torch.export; onnxruntime's own inference fails on some
        quant_pre_process(str(whole), str(prepared), skip_symbolic_shape=True)
        reader = Reader(onnx_session(prepared).get_inputs()[0].name)
        try:
            quantize_static(
                str(prepared), str(small), reader, quant_format=QuantFormat.QDQ, per_channel=True,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            )  # fmt: skip
        except Exception:
            if reader.stopped is None:
                raise
    if reader.stopped is not None:
        raise reader.stopped


@contextmanager
def _quiet_logging() -> Iterator[None]:
    """Keeps the quantizer's advice, which is logged at the root, off the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _session(model: Model, file: Path) -> Any:
    with as_model_error(model, "ONNX int8"):
        return onnx_session(file)


def _with_accuracy(
    latency: Measured, model: Model, session: Any, test: Images | None, name: str, say: Progress
) -> Measured:
    """The latency with the top-1 accuracy in onnxruntime and its Wilson interval."""
    if test is None:
        return latency
    run, right = runner(session), 0
    for start in range(0, len(test), _BATCH):
        if start % (8 * _BATCH) == 0:
            say(f"Measuring the {name} file: {start:,} of {len(test):,} images")
        images = model.normalize(torch.from_numpy(test.pixels[start : start + _BATCH].copy()))
        logits = np.asarray(run(images)[0])
        if logits.ndim != 2:
            raise DataError(
                f"The network '{model.name}' does not give one row of class scores per image, so "
                "its accuracy cannot be measured. Export without test images."
            )
        right += int((logits.argmax(1) == test.labels[start : start + _BATCH]).sum())
    return replace(
        latency,
        accuracy=right / max(1, len(test)),
        interval=wilson(right, len(test)),
        images=len(test),
        data=f"{test.name}, {test.split}",
    )


def _latencies(model: Model, sessions: list[Any]) -> list[Measured]:
    """Median times of a forward pass of one image, with quartiles, measured in turns so that both
    files meet the same load of the machine."""
    image = torch.zeros(1, *model.input_shape)
    runs = [runner(session) for session in sessions]
    times: list[list[float]] = [[] for _ in runs]
    for turn in range(_TIMED + 5):
        for run, row in zip(runs, times, strict=True):
            started = time.perf_counter()
            run(image)
            if turn >= 5:  # the first passes warm caches
                row.append((time.perf_counter() - started) * 1e3)
    measured = []
    for row in times:
        low, middle, high = statistics.quantiles(row, n=4)
        measured.append(
            Measured(latency_ms=middle, latency_iqr_ms=(low, high), batch=1, repeats=_TIMED,
                     threads=torch.get_num_threads())
        )  # fmt: skip
    return measured
