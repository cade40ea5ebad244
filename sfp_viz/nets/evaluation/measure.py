"""What is measured on a network: accuracy, latency, and MACs and params counted on the module."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from sfp_viz.core.measurement import Measured, wilson
from sfp_viz.errors import DataError
from sfp_viz.nets.data.compatibility import check_shape
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.forward import copy_module, floating_dtype, foreign_code, logits_of, outputs_of
from sfp_viz.nets.model import Model, check_model
from sfp_viz.nets.tracing.execution import CONVOLUTIONS, execute

_BATCH = 64  # activations of more images fall out of the caches: half as fast


def count_right(model: Model, images: Images, progress: Callable[[str], None] | None = None) -> int:
    """How many images the network classifies correctly (top-1), in evaluation mode.

    Args:
        model: The network.
        images: The images, with labels.
        progress: Called with a line every 512 images.

    Raises:
        DataError: The images have another size than the network's input, or a label is not below
            its number of classes.
        ModelError: The network gives no logits, or does not run.
    """
    from torchmetrics.functional.classification import multiclass_stat_scores

    check_model(model)
    check_shape(model, images)
    module = model.module
    module = copy_module(module).eval() if module.training else module
    right = 0
    with torch.inference_mode():
        for start in range(0, len(images), _BATCH):
            if progress and start % (8 * _BATCH) == 0:
                progress(f"{start:,} of {len(images):,} images")
            pixels = torch.from_numpy(images.pixels[start : start + _BATCH].copy())
            labels = torch.from_numpy(images.labels[start : start + _BATCH].copy())
            logits = logits_of(module, model.normalize(pixels), model.name)
            if int(labels.max()) >= logits.shape[1]:
                raise DataError(
                    f"'{images.name}' has the class {int(labels.max())}, but the network "
                    f"'{model.name}' has only {logits.shape[1]} classes. Choose the images that it "
                    "was trained on."
                )
            scores = multiclass_stat_scores(
                logits, labels, num_classes=logits.shape[1], average="micro"
            )
            right += int(scores[0])
    return right


def measure_accuracy(
    model: Model, images: Images, progress: Callable[[str], None] | None = None
) -> Measured:
    """Top-1 accuracy 0..1 with its 95 % interval (Wilson); measured.

    Args:
        model: The network.
        images: The images, with labels.
        progress: Called with a line every 512 images.

    Raises:
        DataError: As for ``count_right``.
        ModelError: As for ``count_right``.
    """
    right = count_right(model, images, progress)
    return Measured(
        accuracy=right / max(1, len(images)),
        interval=wilson(right, len(images)),
        images=len(images),
        data=f"{images.name}, {images.split}",
    )


def measure_latency(model: Model, *, batch: int = 1, repeats: int = 30) -> Measured:
    """Median time of a forward pass in milliseconds with its quartiles, on the CPU; measured.

    Args:
        model: The network.
        batch: Images per pass.
        repeats: How many passes to time, at least 2.

    Raises:
        DataError: The batch is empty.
        ModelError: The network does not run on such a batch.
    """
    check_model(model)
    repeats = max(2, repeats)  # quartiles need two
    if batch < 1:
        raise DataError(f"A batch holds at least 1 image, not {batch}.")
    module = copy_module(model.module).eval()
    images = torch.zeros(batch, *model.input_shape, dtype=floating_dtype(module))
    times = []
    failure = f"The network '{model.name}' does not run on a batch of {batch}"
    with torch.inference_mode(), foreign_code(failure):
        for turn in range(repeats + 5):
            started = time.perf_counter()
            module(images)
            if turn >= 5:  # the first passes choose kernels and warm caches
                times.append((time.perf_counter() - started) * 1e3)
    low, middle, high = statistics.quantiles(times, n=4)
    return Measured(
        latency_ms=middle,
        latency_iqr_ms=(low, high),
        batch=batch,
        threads=torch.get_num_threads(),
        repeats=repeats,
    )


def count_macs(model: Model) -> int:
    """MACs of one image, counted by torch's FlopCounterMode on the module (half its FLOPs).

    Convolutions, linear layers and matrix products; norms, activations and pooling are left out
    (docs/method.md). Runs on the 'meta' device: shapes only, no arithmetic.
    """
    return execute(model.module, model.input_shape, name=model.name).macs


def count_params(model: Model) -> int:
    """Number of learned values (parameters; buffers such as running means are not counted)."""
    return sum(parameter.numel() for parameter in model.module.parameters())


def count_peak_activations(model: Model) -> int:
    """The most bytes that the input and output of one layer take together, for one image.

    Counted by hooks on the convolutions and linear layers of the module as it runs, in float32:
    the same measure as ``Cost.peak_activation_bytes``.
    """
    most = 0

    def count(_: torch.nn.Module, ins: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
        nonlocal most
        most = max(most, 4 * (ins[0].numel() + out.numel()))

    def watch(module: torch.nn.Module) -> None:
        for layer in module.modules():
            if isinstance(layer, (*CONVOLUTIONS, torch.nn.Linear)):
                layer.register_forward_hook(count)

    with foreign_code(f"The network '{model.name}' does not run"):
        outputs_of(model.module, model.input_shape, batches=(1,), watch=watch)
    return most
