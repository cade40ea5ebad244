"""Pictures in folders, one a class, as arrays; and which are held out to test with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sfp_viz.errors import DataError


def held_out(labels: np.ndarray) -> np.ndarray:
    """bool [N], true for every fifth in the order of the labels: the same images every time."""
    test = np.zeros(len(labels), bool)
    test[np.argsort(labels, kind="stable")[::5]] = True
    return test


def read_folder(
    path: Path, split: str, limit: int | None, *, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 [N, 3, H, W] and labels [N] of ``limit`` pictures (None: all), of all classes.

    One folder a class, below ``path/train`` and ``path/test`` (or ``val``), or below ``path``.
    Without such splits every fifth picture of each class is held out to test with. Pictures of
    one size. Raises DataError, also when they take more than ``most`` bytes.
    """
    from PIL.Image import DecompressionBombError
    from torchvision.datasets import ImageFolder

    whole = not any((path / part).is_dir() for part in ("train", "test", "val"))
    path = path if whole else _split_folder(path, split)
    try:
        found = ImageFolder(str(path))
        test = held_out(np.array(found.targets))
        mine = np.flatnonzero(np.ones_like(test) if not whole else test == (split == "test"))
        count = min(limit or len(mine), len(mine))
        chosen = mine[np.linspace(0, len(mine) - 1, count).round().astype(int)]  # all classes
        pairs, size = [], 0
        for index in chosen:
            picture, label = found[int(index)]
            pairs.append((np.asarray(picture.convert("RGB")), label))
            size += pairs[-1][0].nbytes
            if size > most:
                raise DataError(f"The pictures in {path} are larger than 2 GB: use fewer.")
    except (OSError, RuntimeError, ValueError, DecompressionBombError) as problem:
        raise DataError(f"The folder {path} has no readable class folders: {problem}") from problem
    if len({pixels.shape for pixels, _ in pairs}) > 1:
        raise DataError(f"The pictures in {path} differ in size; bring them to one size first.")
    pixels = np.stack([pixels for pixels, _ in pairs]).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(pixels), np.array([y for _, y in pairs])


def _split_folder(path: Path, split: str) -> Path:
    """The folder of a split; 'val' serves as 'test' where there is no 'test'."""
    for part in ("test", "val") if split == "test" else ("train",):
        if (path / part).is_dir():
            return path / part
    raise DataError(
        f"The folder {path} has splits, but none for '{split}': it needs a folder "
        f"'{split}'{' or val' if split == 'test' else ''} with one folder a class."
    )
