"""Lines of a training's history: Epoch and Refresh."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """An epoch of fine-tuning.

    Attributes:
        epoch: Its number, from 1.
        epochs: Epochs of the whole training.
        loss: Mean over the epoch, measured.
        train_accuracy: On the training images while training, 0..1, measured.
        test_accuracy: On the test images after the epoch, 0..1, measured.
        test_images: How many these were.
        temperature: At the last step.
        learning_rate: At the last step.
        images_per_second: Training images per second, measured.
        seconds: The whole epoch, measured.
        memory: Most bytes used so far by all processes, measured: resident in main memory, or
            allocated on the GPU; 0 where it was not measured.
    """

    epoch: int
    epochs: int
    loss: float
    train_accuracy: float
    test_accuracy: float
    test_images: int
    temperature: float
    learning_rate: float
    images_per_second: float
    seconds: float
    memory: int = 0


@dataclass(frozen=True)
class Refresh:
    """The steps of a sparse training since the line before.

    Attributes:
        step: Steps done.
        steps: Steps of the whole training.
        epoch: Epochs done.
        epochs: Epochs of the whole training.
        phase: What the training does: the group at work, 'whole', 'filters', 'stripes', 'frozen'.
        loss: Mean cross-entropy of these steps, measured while training (without skipped steps of
            one image; of the line before where all were skipped).
        residual: ||W - F|| / ||W|| by group; () without a copy.
        live: Share of the filters that are kept, 0..1, by group.
        stripes: Share of the stripes that act, 0..1, by layer.
        gates: The 0, 25, 50, 75 and 100 % points of |S| by layer.
        macs: Of what is kept, computed (each stripe as if it ran alone: never a time).
        params: Of what is kept, computed.
        activation_bytes: The most that one layer's input and output take in float32, computed.
        rho: Pull between weights and copy; 0 without a copy.
        learning_rate: At the last step.
        images_per_second: Training images per second, measured.
        seconds: Of these steps, without a pause between them.
        test_accuracy: 0..1, of the network with all that is pruned at 0, measured at the end of an
            epoch; else None.
        test_images: On how many images.
        notes: Sentences, such as on groups that the penalty would have left without a filter.
    """

    step: int
    steps: int
    epoch: int
    epochs: int
    phase: str
    loss: float
    residual: tuple[tuple[str, float], ...]
    live: tuple[tuple[str, float], ...]
    stripes: tuple[tuple[str, float], ...]
    gates: tuple[tuple[str, tuple[float, ...]], ...]
    macs: int
    params: int
    activation_bytes: int
    rho: float
    learning_rate: float
    images_per_second: float
    seconds: float
    test_accuracy: float | None = None
    test_images: int = 0
    notes: tuple[str, ...] = ()
