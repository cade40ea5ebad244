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
    """Pictures in folders, one folder per class, as arrays.

    The class folders lie in ``path/train`` and ``path/test`` (or ``val``), or in ``path`` itself;
    then every fifth picture of each class is held out for testing.

    Args:
        path: The folder.
        split: 'train' or 'test'.
        limit: How many pictures to read, spread evenly over all classes; None for all.
        most: How many bytes they may take.

    Returns:
        Pixels uint8 [N, 3, H, W] and labels int [N].

    Raises:
        DataError: There are no class folders for the split, a picture cannot be read, the pictures
            differ in size, or they take more than ``most`` bytes.
    """
    from PIL.Image import DecompressionBombError
    from torchvision.datasets import ImageFolder

    is_unsplit = not any((path / name).is_dir() for name in ("train", "test", "val"))
    path = path if is_unsplit else _split_folder(path, split)
    try:
        dataset = ImageFolder(str(path))
        test = held_out(np.array(dataset.targets))
        indices = np.flatnonzero(
            np.ones_like(test) if not is_unsplit else test == (split == "test")
        )
        # spread evenly, so that all classes are among them
        count = min(limit or len(indices), len(indices))
        chosen = indices[np.linspace(0, len(indices) - 1, count).round().astype(int)]
        pairs, size = [], 0
        for index in chosen:
            picture, label = dataset[int(index)]
            pairs.append((np.asarray(picture.convert("RGB")), label))
            size += pairs[-1][0].nbytes
            if size > most:
                raise DataError(f"The pictures in {path} are larger than 2 GB. Use fewer.")
    except (OSError, RuntimeError, ValueError, DecompressionBombError) as problem:
        raise DataError(
            f"The folder {path} has no readable class folders: {problem}. It needs one folder of "
            "pictures per class."
        ) from problem
    if len({pixels.shape for pixels, _ in pairs}) > 1:
        raise DataError(f"The pictures in {path} differ in size. Resize them to one size first.")
    pixels = np.stack([pixels for pixels, _ in pairs]).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(pixels), np.array([y for _, y in pairs])


def _split_folder(path: Path, split: str) -> Path:
    """The folder of a split; 'val' serves as 'test' where there is no 'test'."""
    for name in ("test", "val") if split == "test" else ("train",):
        if (path / name).is_dir():
            return path / name
    raise DataError(
        f"The folder {path} has splits, but none for '{split}'. Add a folder "
        f"'{split}'{' or val' if split == 'test' else ''} with one folder per class."
    )
