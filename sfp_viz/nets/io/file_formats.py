"""What kind of file somebody chose, told by its first bytes, and what to do with each kind."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Literal

from sfp_viz.errors import ModelError

Format = Literal["torch", "old torch", "safetensors", "onnx", "pt2"]
SUFFIXES = (
    "safetensors", "pt", "pth", "th", "tar", "ckpt", "bin", "model", "onnx", "pt2", "pkl",
    "weights",
)  # fmt: skip
_ZIP, _OLD_TORCH = b"PK\x03\x04", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
SAVE = "torch.save(model.state_dict(), 'weights.pth')"
WAY_OUT = f"Where the network is in Python, save its weights there with {SAVE}."
_NO_TORCH = f"Convert it to PyTorch; then {SAVE} makes a file that opens."
# how a file begins -> what it is, and what to do
_STARTS: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a git-LFS pointer, a few lines of text in place of the weights",
     "Fetch the weights themselves with 'git lfs pull', or with the download button of its page"),
    (b"\x89HDF", "an HDF5 file, as Keras and TensorFlow write them", _NO_TORCH),
    (b"GGUF", "a GGUF file of a language model", "Choose a convolutional network"),
    (b"\x93NUMPY", "one NumPy array", WAY_OUT),
    (b"\x1f\x8b", "a gzip archive", "Unpack it and choose the file of weights in it"),
    (b"BZh", "a bzip2 archive", "Unpack it and choose the file of weights in it"),
    (b"\xfd7zXZ", "an xz archive", "Unpack it and choose the file of weights in it"),
    (b"7z\xbc\xaf", "a 7z archive", "Unpack it and choose the file of weights in it"),
    (b"Rar!", "a RAR archive", "Unpack it and choose the file of weights in it"),
    (b"\x89PNG", "a picture", "Choose a file of weights"),
    (b"\xff\xd8\xff", "a picture", "Choose a file of weights"),
    (b"%PDF", "a PDF document", "Choose a file of weights"),
)  # fmt: skip


def format_of(path: Path) -> Format:
    """The format of a file that can hold weights.

    Raises:
        ModelError: It is of another kind; the message names it, and what to do.
    """
    with path.open("rb") as file:
        start = file.read(512)
    if start[: len(_OLD_TORCH)] == _OLD_TORCH:
        return "old torch"
    if start[:4] == _ZIP:
        return _zip_format(path)
    for begin, kind, way_out in _STARTS:
        if start.startswith(begin):
            raise refusal(path, kind, way_out)
    words = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if words.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        raise refusal(
            path, "a web page, not the file it links to",
            "Use the page's download button (on GitHub and Hugging Face: the raw file)",
        )  # fmt: skip
    if start[4:8] == b"TFL3":
        raise refusal(path, "a TensorFlow Lite network", _NO_TORCH)
    if start[257:262] == b"ustar":
        raise refusal(
            path, "a tar archive", "Unpack it ('tar -xf') and choose the file of weights in it"
        )
    if start[8:9] == b"{" and 2 <= int.from_bytes(start[:8], "little") < 100_000_000:
        return "safetensors"
    if start[:1] == b"\x80":
        raise ModelError(objects_text(path))
    if path.suffix.lower() == ".safetensors":
        return "safetensors"  # its reader says what is wrong
    if path.suffix.lower() == ".onnx" or _is_onnx(start):
        return "onnx"
    if path.suffix.lower() == ".pb" or b"saved_model" in start:
        raise refusal(path, "a TensorFlow graph", _NO_TORCH)
    raise ModelError(
        f"The file {path.name} is not a PyTorch file, despite its name: it contains text or "
        f"something else. {WAY_OUT}"
    )


def _is_onnx(start: bytes) -> bool:
    """Whether it begins as a ModelProto: field 1, the version, then text with who wrote it."""
    return start[:1] == b"\x08" and start[1:2] < b"\x20" and start[2:3] in (b"\x12", b"\x3a", b"B")


def _zip_format(path: Path) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as problem:
        raise ModelError(damaged_text(path)) from problem
    ends = {name.rpartition("/")[2] for name in names}
    if "archive_format" in ends or "serialized_exported_program.json" in ends:
        return "pt2"
    if "constants.pkl" in ends:
        raise refusal(
            path, "an exported program (TorchScript), which holds code and is never run here",
            "Where you trust it, torch.save(torch.jit.load(FILE).state_dict(), 'weights.pth') "
            "makes a file of its weights",
        )  # fmt: skip
    if "data.pkl" in ends:
        return "torch"
    if "model.weights.h5" in ends:
        raise refusal(path, "a Keras network", _NO_TORCH)
    if names and all(name.endswith((".npy", "/")) for name in names):
        raise refusal(path, "NumPy arrays (.npz)", WAY_OUT)
    raise refusal(path, "a zip archive of other files", "Unpack it and choose the weights in it")


def refusal(path: Path, kind: str, way_out: str) -> ModelError:
    """The error for a file of a kind that holds no weights that can be read.

    Args:
        path: The file.
        kind: What it is, as 'a web page'.
        way_out: What to do instead.
    """
    return ModelError(f"The file {path.name} is {kind}. {way_out.rstrip('.')}.")


def damaged_text(path: Path) -> str:
    """That a file is cut off, in a sentence."""
    return f"The file {path.name} is damaged or incomplete. Copy or download it again."


def objects_text(path: Path) -> str:
    """That a file holds Python objects in place of weights, in a sentence."""
    return (
        f"The file {path.name} is a pickle with Python objects or code; code is never run here. "
        f"Save the weights alone with {SAVE}."
    )
