"""Fetch a data set, with a progress that the caller shows; only when a person asked for it."""

from __future__ import annotations

import hashlib
import urllib.request
from collections.abc import Callable
from pathlib import Path

from sfp_viz.errors import DataError
from sfp_viz.files import atomic_path

Progress = Callable[[str, float], None]  # the file's name, and the share of it that is here, 0..1
_CHUNK = 1 << 18
_SECONDS = 30  # without a byte, before the download counts as failed
_MOST_BYTES = 1_000_000_000


def fetch(name: str, root: Path, progress: Progress) -> None:
    """Download 'fashion_mnist', 'cifar10' or 'cifar100' to where torchvision unpacks it.

    Addresses and checksums are torchvision's. Complete files are kept.

    Args:
        name: The data set.
        root: torchvision's folder for data sets.
        progress: Called with (file, share 0..1).

    Raises:
        DataError: A file cannot be downloaded; it names the address.
    """
    from torchvision import datasets

    if name == "fashion_mnist":
        folder = root / "FashionMNIST" / "raw"
        base = datasets.FashionMNIST.mirrors[0]
        archives = [(base + file, file, md5) for file, md5 in datasets.FashionMNIST.resources]
    else:
        dataset = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
        folder, archives = root, [(dataset.url, dataset.filename, dataset.tgz_md5)]
    for url, file, md5 in archives:
        fetch_file(url, folder / file, md5=md5, progress=progress)


def fetch_file(
    url: str,
    path: Path,
    *,
    progress: Progress,
    md5: str = "",
    sha256: str = "",
    advice: str = "copy the data set there by hand",
) -> None:
    """Download one file; it appears whole or not at all. A complete file is kept.

    Args:
        url: Its address.
        path: Where to write it; its folder is made.
        progress: Called with (file, share 0..1); the share is 0 where the size is unknown. What it
            raises ends the download, and nothing is left of it.
        md5: Its checksum, in hexadecimal digits.
        sha256: The first digits of its checksum, in place of ``md5``.
        advice: What else can be done, for the message of an error.

    Raises:
        DataError: It cannot be downloaded or written, is larger than 1 GB, or has another checksum.
    """
    kind, expected = ("md5", md5) if md5 else ("sha256", sha256)
    if path.is_file():
        whole = hashlib.new(kind, path.read_bytes(), usedforsecurity=False)
        if whole.hexdigest().startswith(expected):
            return
    checksum, size = hashlib.new(kind, usedforsecurity=False), 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (
            urllib.request.urlopen(url, timeout=_SECONDS) as source,
            atomic_path(path) as fresh,
            fresh.open("wb") as target,
        ):
            total = int(source.headers.get("Content-Length") or 0)
            while chunk := source.read(_CHUNK):
                target.write(chunk)
                checksum.update(chunk)
                size += len(chunk)
                if size > _MOST_BYTES:
                    raise OSError("it is larger than 1 GB")
                progress(path.name, min(1.0, size / total) if total else 0.0)
            if not checksum.hexdigest().startswith(expected):
                raise OSError("its checksum differs from the expected one")
    except (OSError, ValueError) as problem:  # URLError and timeouts are OSErrors
        cause = getattr(problem, "reason", "") or problem  # what an URLError wraps
        raise DataError(
            f"The file {path.name} could not be downloaded from {url}: {cause}. Check the "
            f"connection and try again, or {advice}."
        ) from problem
