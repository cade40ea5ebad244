"""Raw images and labels by name, file or folder. Normalisation belongs to the Model."""

from __future__ import annotations

import gzip
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from sfp_viz.errors import DataError

Split = Literal["train", "test"]
NAMES = ("digits", "fashion_mnist", "cifar10", "cifar100")
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
_MOST_PIXELS = 4_000_000_000  # bytes of one split held in memory; more is refused, not swapped


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
                f"The data '{self.name}' need images uint8 [N, C, H, W] and labels [N]; found "
                f"{pixels.dtype} {pixels.shape} and {labels.dtype} {labels.shape}."
            )
        if not np.issubdtype(labels.dtype, np.integer) or (len(labels) and labels.min() < 0):
            raise DataError(f"The labels of '{self.name}' must be whole numbers from 0 on.")
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
    name: str, split: Split = "train", *, limit: int | None = None, download: bool = False
) -> Images:
    """Load a data set by name ('digits', 'cifar10' ...), .npz file or folder of class folders.

    Looks first for ``<SFP_VIZ_DATA>/<name>/<name>_<split>_*.npz`` (images uint8 [N, C, H, W],
    labels), then among the named sets. Fetches from the internet only with ``download``.
    Raises DataError, which names the places that were tried.
    """
    if shards := _shards(name, split):
        return _read_npz(name, split, shards).first(limit)
    if name == "digits":
        return _digits(split).first(limit)
    if name in NAMES:
        return _torchvision(name, split, download).first(limit)
    path = Path(name).expanduser()
    if path.suffix == ".npz" and path.is_file():
        return _read_npz(path.stem, split, [path]).first(limit)
    if path.is_dir():
        return _image_folder(path, split, limit)
    raise DataError(
        f"No data called '{name}'. Known: {', '.join(NAMES)}, an .npz file, a folder with one "
        f"folder a class, or shards {name}_{split}_*.npz in the folder {name} of SFP_VIZ_DATA "
        f"({os.environ.get('SFP_VIZ_DATA') or 'not set'})."
    )


def available(name: str, split: Split = "test") -> bool:
    """Whether the data are on this machine, without reading them."""
    if name == "digits" or _shards(name, split):
        return True
    if name == "fashion_mnist":
        return DEBIAN_FASHION.is_dir() or (_root() / "FashionMNIST" / "raw").is_dir()
    folders = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
    if name in folders:
        return (_root() / folders[name]).is_dir()
    return bool(name) and Path(name).expanduser().exists()


def _root() -> Path:
    home = Path(os.environ.get("SFP_VIZ_HOME", ".sfp_viz"))
    return Path(os.environ.get("SFP_VIZ_DATA") or home / "data")


def _shards(name: str, split: str) -> list[Path]:
    root = os.environ.get("SFP_VIZ_DATA")
    if not root or not name or Path(name).name != name:  # a name from a file is never a path
        return []
    return sorted((Path(root) / name).glob(f"{name}_{split}_*.npz"))


def _read_npz(name: str, split: str, files: list[Path]) -> Images:
    try:
        parts = []
        for file in files:
            with np.load(file, allow_pickle=False) as archive:
                parts.append((archive["images"], archive["labels"]))
            if sum(pixels.nbytes for pixels, _ in parts) > _MOST_PIXELS:
                raise DataError(f"The data '{name}' are larger than 4 GB: split or shrink them.")
    except (KeyError, ValueError, OSError, EOFError) as problem:
        raise DataError(
            f"The file {file.name} is not readable as images and labels: {problem}. "
            "It needs the arrays 'images' (uint8 [N, C, H, W]) and 'labels' ([N])."
        ) from problem
    return Images(name, split, np.concatenate([p for p, _ in parts]),
                  np.concatenate([labels for _, labels in parts]))  # fmt: skip


def _digits(split: str) -> Images:
    """The 1,797 8x8 digits of scikit-learn; every fifth image of each class is the test split."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    pixels = np.round(pixels.reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8)
    order = np.argsort(labels, kind="stable")
    test = np.zeros(len(labels), bool)
    test[order[::5]] = True
    chosen = test if split == "test" else ~test
    return Images("digits", split, pixels[chosen], labels[chosen])


def _torchvision(name: str, split: str, download: bool) -> Images:
    from torchvision import datasets  # 4 s to import: only where it is used

    root = _root()
    if name == "fashion_mnist" and not (root / "FashionMNIST" / "raw").is_dir():
        root = _unpacked_fashion(root)
    kind = {"fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10", "cifar100": "CIFAR100"}[name]
    try:
        found = getattr(datasets, kind)(str(root), train=split == "train", download=download)
    except (RuntimeError, OSError) as problem:
        raise DataError(
            f"{name} is not on this machine: looked in {root}. Set SFP_VIZ_DATA to the folder "
            "that holds it, or ask for the download."
        ) from problem
    pixels, labels = np.asarray(found.data), np.asarray(found.targets)
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    return Images(name, split, np.ascontiguousarray(pixels), labels)


def _unpacked_fashion(root: Path) -> Path:
    """Debian ships the four files gzipped; torchvision wants them plain, in FashionMNIST/raw."""
    if not DEBIAN_FASHION.is_dir():
        return root
    home = Path(os.environ.get("SFP_VIZ_HOME", ".sfp_viz")) / "data"
    raw = home / "FashionMNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for packed in DEBIAN_FASHION.glob("*.gz"):
        plain = raw / packed.stem
        if not plain.exists():
            beside = plain.with_suffix(f".{os.getpid()}")
            with gzip.open(packed) as source, beside.open("wb") as target:
                shutil.copyfileobj(source, target)
            beside.replace(plain)
    return home


def _image_folder(path: Path, split: str, limit: int | None) -> Images:
    """One folder a class, below ``path`` or ``path/<split>``; pictures of one size, RGB."""
    from torchvision.datasets import ImageFolder

    path = path / split if (path / split).is_dir() else path
    try:
        found = ImageFolder(str(path))
        step = max(1, len(found) // limit) if limit else 1  # spread a limit over the classes
        chosen = range(0, len(found), step)[: limit or len(found)]
        pairs = [(np.asarray(found[i][0].convert("RGB")), found[i][1]) for i in chosen]
    except (OSError, RuntimeError, ValueError) as problem:
        raise DataError(f"The folder {path} has no readable class folders: {problem}") from problem
    if len({pixels.shape for pixels, _ in pairs}) > 1:
        raise DataError(f"The pictures in {path} differ in size; bring them to one size first.")
    pixels = np.stack([pixels for pixels, _ in pairs]).transpose(0, 3, 1, 2)
    return Images(path.name, split, np.ascontiguousarray(pixels), np.array([y for _, y in pairs]))
