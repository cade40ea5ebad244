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
    """Pictures of a folder with one folder for each class.

    Classes are numbered in the order of their names, the same in every split: by the folders of
    ``path/train`` where there is one, else of all splits. Hidden folders and those that systems
    leave behind ('.ipynb_checkpoints', '__MACOSX') are no classes.

    Args:
        path: The folder: class folders below ``path/train`` and ``path/test`` (or 'val'), or below
            ``path`` itself; without splits, every fifth picture of each class is held out to test.
        split: 'train' or 'test'.
        limit: How many pictures to read, spread over all classes; None for all.
        most: How many bytes the pixels may take.

    Returns:
        Pixels uint8 [N, 3, H, W], and labels int64 [N].

    Raises:
        DataError: There are no class folders, a split has classes that training has not, a picture
            is broken, pictures differ in size, or take too many bytes.
    """
    splits = {name: path / name for name in _SPLITS if (path / name).is_dir()}
    chosen = _split_folder(path, split, splits) if splits else path
    classes = _classes(path, splits or {"train": path})
    files, labels = [], []
    for label, name in enumerate(classes):
        pictures = _pictures(chosen / name)
        files += pictures
        labels += [label] * len(pictures)
    if not files:
        raise DataError(
            f"The folder {chosen} has no readable class folders: it needs one folder for each "
            "class, with its pictures. Choose such a folder."
        )
    every = np.array(labels)
    test = held_out(every)
    indices = np.flatnonzero(np.ones_like(test) if splits else test == (split == "test"))
    if not len(indices):
        raise DataError(f"The folder {path} has too few pictures to hold some out. Add more.")
    # spread evenly, so that all classes are among them
    count = min(limit or len(indices), len(indices))
    indices = indices[np.linspace(0, len(indices) - 1, count).round().astype(int)]
    pixels, size = [], 0
    for index in indices:
        pixels.append(_read(files[index], path))
        size += pixels[-1].nbytes
        if size > most:
            raise DataError(f"The pictures in {chosen} take more than 2 GB. Use fewer.")
        if pixels[-1].shape != pixels[0].shape:
            here, there = (_size_text(picture) for picture in (pixels[-1], pixels[0]))
            raise DataError(
                f"The pictures in {chosen} differ in size: {files[index].relative_to(path)} has "
                f"{here}, the first one {there} pixels. Bring them to one size first."
            )
    stacked = np.stack(pixels).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(stacked), every[indices]


_SPLITS = ("train", "test", "val", "valid", "validation")
_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".tif", ".tiff", ".webp"}
_LEFT_BEHIND = {"__MACOSX", "__pycache__", "lost+found", "@eaDir", "$RECYCLE.BIN"}


def _class_folders(path: Path) -> list[str]:
    """Names of the folders that are classes, in their order."""
    return sorted(
        folder.name
        for folder in path.iterdir()
        if folder.is_dir() and not folder.name.startswith(".") and folder.name not in _LEFT_BEHIND
    )


def _classes(path: Path, splits: dict[str, Path]) -> list[str]:
    """Names of the classes of all splits."""
    named = {name: [c for c in _class_folders(folder) if _pictures(folder / c)]
             for name, folder in splits.items()}  # fmt: skip
    if "train" not in named:
        return sorted({name for names in named.values() for name in names})
    for name, classes in named.items():
        if strangers := sorted(set(classes) - set(named["train"])):
            raise DataError(
                f"The folder {path / name} has the class '{strangers[0]}', which {path / 'train'} "
                "has not, so its classes cannot be numbered as in training. Add the folder there, "
                "or take this one away."
            )
    return named["train"]


def _pictures(folder: Path) -> list[Path]:
    """The pictures below a class folder, in the order of their names."""
    if not folder.is_dir():
        return []
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in _SUFFIXES and not file.name.startswith(".") and file.is_file()
    )


def _read(file: Path, path: Path) -> np.ndarray:
    """A picture as uint8 [H, W, 3]; 16-bit gray values are scaled, not cut off."""
    from PIL import Image
    from PIL.Image import DecompressionBombError

    try:
        with Image.open(file) as picture:
            if picture.mode.startswith("I") or picture.mode == "F":
                values = np.asarray(picture).astype(np.float64)
                gray = _gray(values, is_float=picture.mode == "F")
                return np.repeat(gray[:, :, None], 3, axis=2)
            return np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, EOFError, DecompressionBombError) as problem:
        raise DataError(
            f"The picture {file.relative_to(path)} in {path} is no readable image: {problem}. "
            "Replace it or take it away."
        ) from problem


def _gray(values: np.ndarray, *, is_float: bool) -> np.ndarray:
    """Gray values of 16 bits, or from 0 to 1, as uint8."""
    largest = values.max(initial=0.0)
    most = (1.0 if largest <= 1 else 255.0) if is_float else 65535.0 if largest > 255 else 255.0
    return np.clip(np.round(values * (255.0 / most)), 0, 255).astype(np.uint8)


def _size_text(picture: np.ndarray) -> str:
    return f"{picture.shape[0]} x {picture.shape[1]}"


def _split_folder(path: Path, split: str, splits: dict[str, Path]) -> Path:
    """The folder of a split; 'val' serves as 'test' where there is no 'test'."""
    names = ("train",) if split == "train" else _SPLITS[1:]
    for name in names:
        if name in splits:
            return splits[name]
    raise DataError(
        f"The folder {path} has splits, but none for '{split}'. Add a folder "
        f"'{split}'{' or val' if split == 'test' else ''} with one folder for each class."
    )
