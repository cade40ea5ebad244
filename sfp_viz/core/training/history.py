"""Lines of a training's history: Epoch and Refresh."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One line of a history. Accuracies 0..1, measured; losses are means over the epoch.

    ``memory`` is the most bytes used so far, measured: resident in main memory, or allocated on
    the GPU; of all processes together, 0 where it was not measured.
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
    """One line of the history: what training came to since the line before.

    ``step`` of ``steps``; ``loss`` the mean cross-entropy over these steps, measured in training
    (steps of one image alone are skipped and do not count; where there is no other, it is the loss
    of the line before). ``seconds`` they took, also before a pause, without the pause.
    ``residual``: ||W - F|| / ||W|| of each group, by name (empty without a copy). ``live``: share
    of each group's filters that stay, 0..1; ``stripes``: share of each layer's stripes that stay,
    and ``gates`` the 0, 25, 50, 75 and 100 % points of |S| of each layer. ``macs`` and ``params``
    are counted for what stays (stripes as if each ran alone: computed, never a time), and so is
    ``activation_bytes``, the most that one layer's input and output take in float32.
    ``test_accuracy`` 0..1 of the network with all that goes at 0, measured, else None.
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
