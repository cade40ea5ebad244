"""Raw images and labels by name, file or folder. Normalisation belongs to the Model."""

from __future__ import annotations

import gzip
import os
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from sfp_viz.errors import DataError
from sfp_viz.nets.data.download import Progress, fetch
from sfp_viz.nets.data.image_folder import held_out, read_folder

Split = Literal["train", "test"]
_SHAPES = {
    "digits": (1, 8, 8),
    "fashion_mnist": (1, 28, 28),
    "cifar10": (3, 32, 32),
    "cifar100": (3, 32, 32),
}
NAMES = tuple(_SHAPES)
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
# where torchvision keeps each set below its root
_FOLDERS = {
    "fashion_mnist": "FashionMNIST/raw",
    "cifar10": "cifar-10-batches-py",
    "cifar100": "cifar-100-python",
}
_BAD_FILE = (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError)
_MOST_BYTES = 4_000_000_000  # bytes of one split held in memory; more is refused, not swapped


@dataclass(frozen=True)
class Images:
    """Raw images: ``pixels`` uint8 [N, C, H, W], ``labels`` int64 [N]; both read-only."""

    name: str
    split: str
    pixels: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        pixels, labels = self.pixels, self.labels
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or labels.shape != (len(pixels),):
            raise DataError(
                f"The data '{self.name}' must be images uint8 [N, C, H, W] and labels [N], but are "
                f"{pixels.dtype} {list(pixels.shape)} and {labels.dtype} {list(labels.shape)}. "
                "Convert them first."
            )
        if not np.issubdtype(labels.dtype, np.integer) or (len(labels) and labels.min() < 0):
            raise DataError(
                f"The labels of '{self.name}' are not whole numbers from 0 on. Number the classes "
                "0, 1, 2, and so on."
            )
        object.__setattr__(self, "labels", labels.astype(np.int64))
        self.pixels.setflags(write=False)
        self.labels.setflags(write=False)

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int | None) -> Images:
        """The first ``count`` images; all of them for None."""
        if count is None or count >= len(self):
            return self
        return Images(self.name, self.split, self.pixels[:count], self.labels[:count])


def load_data(
    name: str,
    split: Split = "train",
    *,
    limit: int | None = None,
    download: bool = False,
    progress: Progress | None = None,
) -> Images:
    """Load a data set by name ('digits', 'cifar10' ...), .npz file or folder of class folders.

    Looks first for ``<SFP_VIZ_DATA>/<name>/<name>_<split>_*.npz`` (images uint8 [N, C, H, W],
    labels), then among the named sets, in SFP_VIZ_DATA and in the workspace.

    Args:
        name: A name, or the path of a file or folder.
        split: 'train' or 'test'. Of data without splits every fifth image of each class is for
            testing.
        limit: Load only so many images; None for all.
        download: Whether a named set that is missing may be downloaded into the workspace.
        progress: Called with (file, share 0..1) during a download; without it torchvision draws a
            bar in the terminal.

    Raises:
        DataError: There are no such data, or they cannot be read; it names the places tried.
    """
    if not isinstance(name, str | Path):
        raise DataError(f"Data are named by a word or a path, not by {type(name).__name__}.")
    name = str(name)
    if shards := _shards(name, split):
        return _read_npz(name, split, shards).first(limit)
    if name == "digits":
        return _digits(split).first(limit)
    if name in NAMES:
        return _torchvision(name, split, download, progress).first(limit)
    path = Path(os.path.expanduser(name))
    if path.suffix == ".npz" and path.is_file():
        return _split(_read_npz(path.stem, split, [path]), split).first(limit)
    if name and path.is_dir():  # an empty name would be the current folder
        return _image_folder(path, split, limit)
    raise DataError(
        f"There are no data called '{name}'. Give one of {', '.join(NAMES)}, an .npz file, a "
        f"folder with one folder per class, or put {name}_{split}_*.npz into the folder {name} of "
        f"SFP_VIZ_DATA ({os.environ.get('SFP_VIZ_DATA') or 'not set'})."
    )


def available(name: str, split: Split = "test") -> bool:
    """Whether the data are on this machine; they are not read.

    Args:
        name: As for ``load_data``.
        split: The split that is needed.
    """
    if name == "digits" or _shards(name, split):
        return True
    if name in _FOLDERS:
        packed = name == "fashion_mnist" and DEBIAN_FASHION.is_dir()
        return packed or any(_is_here(name, root) for root in _roots())
    return bool(name) and Path(os.path.expanduser(name)).exists()


def image_shape(name: str) -> tuple[int, ...] | None:
    """Channels, height and width of the images of a data set, told by its name, the header of its
    file or its first picture; None where that does not tell.

    Args:
        name: As for ``load_data``.
    """
    path = Path(os.path.expanduser(name))
    files = [*_shards(name, "test"), *([path] if path.suffix == ".npz" else [])]
    try:
        if files:
            with zipfile.ZipFile(files[0]) as archive, archive.open("images.npy") as array:
                np.lib.format.read_magic(array)
                return np.lib.format.read_array_header_1_0(array)[0][1:]
        if name in _SHAPES:
            return _SHAPES[name]
        return load_data(name, "test", limit=1).pixels.shape[1:]
    except (*_BAD_FILE, DataError, KeyError, ValueError):
        return None


def _workspace() -> Path:
    """Where downloads and unpacked files go."""
    return Path(os.environ.get("SFP_VIZ_HOME") or ".sfp_viz") / "data"


def _roots() -> list[Path]:
    folder = os.environ.get("SFP_VIZ_DATA")
    return [*([Path(folder)] if folder else []), _workspace()]


def _is_here(name: str, root: Path) -> bool:
    folder = root / _FOLDERS[name]
    if name == "fashion_mnist":  # an interrupted download leaves fewer files
        return len(list(folder.glob("*-ubyte"))) == 4
    return folder.is_dir()


def _shards(name: str, split: str) -> list[Path]:
    root = os.environ.get("SFP_VIZ_DATA")
    if not root or not name or Path(name).name != name:  # a name from a file is never a path
        return []
    return sorted((Path(root) / name).glob(f"{name}_{split}_*.npz"))


def _read_npz(name: str, split: str, files: list[Path]) -> Images:
    shards, file = [], files[0]
    try:
        for file in files:
            with zipfile.ZipFile(file) as archive:
                size = sum(entry.file_size for entry in archive.infolist())
            size += sum(pixels.nbytes for pixels, _ in shards)
            if size > _MOST_BYTES:
                raise DataError(f"The data '{name}' are larger than 4 GB. Use fewer images.")
            with np.load(file, allow_pickle=False) as arrays:
                shards.append((arrays["images"], arrays["labels"]))
        pixels = np.concatenate([pixels for pixels, _ in shards])
        labels = np.concatenate([labels for _, labels in shards])
    except (*_BAD_FILE, KeyError, ValueError, TypeError, MemoryError) as problem:
        raise DataError(
            f"The file {file.name} cannot be read as images and labels: {problem}. "
            "It needs the arrays 'images' (uint8 [N, C, H, W]) and 'labels' ([N])."
        ) from problem
    return Images(name, split, pixels, labels)


def _digits(split: str) -> Images:
    """The 1,797 8x8 digits of scikit-learn; every fifth image of each class is the test split."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    pixels = np.round(pixels.reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8)
    return _split(Images("digits", split, pixels, np.asarray(labels)), split)


def _split(images: Images, split: str) -> Images:
    """Of a set without splits: every fifth image of each class for testing, the rest to train."""
    test = held_out(images.labels)
    chosen = test if split == "test" else ~test
    return Images(images.name, split, images.pixels[chosen], images.labels[chosen])


def _torchvision(name: str, split: str, download: bool, progress: Progress | None) -> Images:
    from torchvision import datasets  # 4 s to import: only where it is used

    classes = {"fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10", "cifar100": "CIFAR100"}
    roots = _roots()
    root = next((root for root in roots if _is_here(name, root)), _workspace())
    try:
        if name == "fashion_mnist" and not _is_here(name, root):
            _unpack_fashion(root / _FOLDERS[name])
        if download and progress and not _is_here(name, root):
            fetch(name, root, progress)
        dataset = getattr(datasets, classes[name])(
            str(root), train=split == "train", download=download
        )
    except (*_BAD_FILE, RuntimeError) as problem:
        if download:
            raise DataError(
                f"{name} could not be downloaded into {root}: {problem}. Check the connection and "
                "try again."
            ) from problem
        raise DataError(
            f"{name} is missing or incomplete on this machine ({', '.join(map(str, roots))}). Set "
            "SFP_VIZ_DATA to the folder that contains it, or allow the download."
        ) from problem
    pixels, labels = np.asarray(dataset.data), np.asarray(dataset.targets)
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    return Images(name, split, np.ascontiguousarray(pixels), labels)


def _unpack_fashion(raw: Path) -> None:
    """Debian ships the four files gzipped; torchvision wants them plain, in FashionMNIST/raw."""
    if not DEBIAN_FASHION.is_dir():
        return
    beside = raw.with_name(f".raw.{os.getpid()}")
    beside.mkdir(parents=True, exist_ok=True)
    try:
        for packed in DEBIAN_FASHION.glob("*.gz"):
            with gzip.open(packed) as source, (beside / packed.stem).open("wb") as target:
                shutil.copyfileobj(source, target)
        raw.mkdir(exist_ok=True)
        for plain in beside.iterdir():
            plain.replace(raw / plain.name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _image_folder(path: Path, split: str, limit: int | None) -> Images:
    pixels, labels = read_folder(path, split, limit, most=_MOST_BYTES // 2)  # held twice a moment
    return Images(path.name, split, pixels, labels)
