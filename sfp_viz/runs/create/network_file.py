"""The network that a new run starts from, as its file names it."""

from __future__ import annotations

from pathlib import Path

from sfp_viz.errors import RunError
from sfp_viz.nets.io.model_file import read_header


def network_identity(file: Path) -> tuple[str, str]:
    """The digest and the name of the network in a file of ``save_model``.

    Raises:
        RunError: It is another file.
    """
    header = read_header(file)
    if not header:
        raise RunError(f"{file.name} is not a network file of sfp-viz. Write it with save_model.")
    return str(header["digest"]), str(header["name"])
