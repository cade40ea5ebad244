"""The networks a person brought along: ``home/models/<digest>/`` with weights and reading."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfp_viz.core.network import Network
from sfp_viz.core.network_json import covers_all, network_from_json, network_to_json
from sfp_viz.errors import ModelError
from sfp_viz.files import write_text
from sfp_viz.nets.io.model_file import header_of, load_saved, read_header, save_model
from sfp_viz.nets.io.samples import check_reading, read_arrays

if TYPE_CHECKING:
    from sfp_viz.nets.model import Model

WEIGHTS, READING = "model.safetensors", "reading.json"


@dataclass(frozen=True)
class StoredModel:
    """An imported network: its digest, its name, the size of its file in bytes, and when it was
    imported (seconds since 1970)."""

    digest: str
    name: str
    size: int
    imported: float


def import_model(home: str | Path, model: Model, network: Network | None = None) -> str:
    """Keep a copy of ``model`` in the workspace and return its digest.

    Opening the same weights again replaces what was said of them before: name, size of images,
    preprocessing and architecture.

    Args:
        home: The workspace.
        model: The network; one of the caller's own code is kept as torch.export writes it down.
        network: Its reading; made here when left out.

    Raises:
        ModelError: The network cannot be saved or read, or ``network`` is the reading of another
            one; then nothing is changed.
    """
    from sfp_viz.nets.tracing.read_network import read_network

    if model.architecture is None:
        from sfp_viz.nets.exported.from_module import as_exported

        model = as_exported(model)
    folder = _folder(home, model.digest)
    if _says_the_same(folder, model):
        text = (folder / READING).read_text(encoding="utf-8", errors="replace")
        if covers_all(text):
            return model.digest
        network = network or read_network(model)  # the reading of an older version says less
        check_reading(network, model)
        write_text(folder / READING, network_to_json(network))
        return model.digest
    network = network or read_network(model)
    check_reading(network, model)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent) as scratch:
            fresh = Path(scratch) / folder.name
            save_model(model, fresh / WEIGHTS)
            write_text(fresh / READING, network_to_json(network))
            with suppress(OSError):  # what was there before
                folder.replace(Path(scratch) / "before")
            fresh.replace(folder)
    except OSError as problem:
        if not (folder / READING).is_file():  # another process may have imported it meanwhile
            raise ModelError(
                f"The network cannot be kept in {folder}: {problem}. Free some space or choose "
                "another workspace."
            ) from problem
    return model.digest


def _says_the_same(folder: Path, model: Model) -> bool:
    """Whether the workspace has the network, with the same name, images and architecture."""
    try:
        header = read_header(folder / WEIGHTS)
    except ModelError:
        return False
    return (folder / READING).is_file() and header == json.loads(header_of(model))


def change_stored(home: str | Path, digest: str, **changes: Any) -> None:
    """Say something else of an imported network.

    Args:
        home: The workspace.
        digest: The network's digest.
        **changes: Fields of ``Model``, such as ``name``, ``mean`` and ``std``.

    Raises:
        ModelError: There is no such network, or it cannot be saved so.
    """
    model = replace(load_stored(home, digest), **changes)
    network = stored_network(home, digest)
    if network.input_shape == model.input_shape:
        import_model(home, model, replace(network, name=model.name, data=model.data))
    else:
        import_model(home, model)


def delete_stored(home: str | Path, digest: str) -> None:
    """Take an imported network out of the workspace; runs keep their own copies.

    Args:
        home: The workspace.
        digest: The network's digest.

    Raises:
        ModelError: There is no such network, or it cannot be deleted.
    """
    folder = stored_path(home, digest).parent
    try:
        with tempfile.TemporaryDirectory(prefix=".", dir=folder.parent) as scratch:
            folder.replace(Path(scratch) / folder.name)
    except OSError as problem:
        raise ModelError(f"The network {digest} cannot be deleted: {problem}.") from problem


def stored_models(home: str | Path) -> tuple[StoredModel, ...]:
    """The imported networks, newest first. Loads no torch."""
    models = []
    for reading in (Path(home) / "models").glob(f"[!.]*/{READING}"):
        weights = reading.with_name(WEIGHTS)
        try:
            name = str(read_header(weights).get("name") or reading.parent.name)
            facts = weights.stat()
        except (ModelError, OSError):  # half a folder is no network
            continue
        models.append(StoredModel(reading.parent.name, name, facts.st_size, facts.st_mtime))
    return tuple(sorted(models, key=lambda stored: (-stored.imported, stored.digest)))


def stored_path(home: str | Path, digest: str) -> Path:
    """The safetensors file of an imported network.

    Args:
        home: The workspace.
        digest: The network's digest.

    Raises:
        ModelError: There is no such network.
    """
    path = _folder(home, digest) / WEIGHTS
    if not path.is_file():
        raise ModelError(
            f"There is no imported network with the digest '{digest}'. Open its file again."
        )
    return path


def stored_network(
    home: str | Path, digest: str, *, progress: Callable[[str], None] | None = None
) -> Network:
    """The reading of an imported network, with its weights.

    Loads no torch, except once for a reading of an older version, which knew fewer kinds of layers
    and is made again.

    Args:
        home: The workspace.
        digest: The network's digest.
        progress: Called with a line about each step of a new reading.

    Raises:
        ModelError: There is no such network, or its files cannot be read.
    """
    weights = stored_path(home, digest)
    try:
        text = weights.with_name(READING).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise ModelError(
            f"The reading of the imported network '{digest}' cannot be read: {problem}. Open its "
            "file again."
        ) from problem
    network = network_from_json(text, read_arrays(weights))
    return network if covers_all(text) else _read_again(home, digest, progress) or network


def load_stored(home: str | Path, digest: str) -> Model:
    """The imported network itself.

    Args:
        home: The workspace.
        digest: The network's digest.

    Raises:
        ModelError: There is no such network, or its file is damaged.
    """
    return load_saved(stored_path(home, digest))


def _read_again(
    home: str | Path, digest: str, progress: Callable[[str], None] | None
) -> Network | None:
    """The reading of an imported network made, and kept, by this version; None where the network
    cannot be opened here, such as without the library that its architecture is from."""
    from sfp_viz.nets.tracing.read_network import read_network

    def say(line: str) -> None:
        if progress:
            step = line[:1].lower() + line[1:]
            progress(f"This network was stored by an older version and is traced again: {step}")

    try:
        say("loading its weights")
        network = read_network(load_stored(home, digest), progress=say)
    except ModelError:
        return None
    if network.digest != digest:  # the weights are not those that were imported
        return None
    with suppress(OSError):  # a workspace that may not be written
        write_text(_folder(home, digest) / READING, network_to_json(network))
    return network


def _folder(home: str | Path, digest: str) -> Path:
    if not re.fullmatch(r"[0-9a-f]{8,64}", digest):  # it becomes a folder's name
        raise ModelError(
            f"'{digest[:80]}' is not the digest of a network. Choose one of the imported networks."
        )
    return Path(home) / "models" / digest
