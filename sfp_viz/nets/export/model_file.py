"""Our own safetensors file, opened again and compared before it is handed out."""

from __future__ import annotations

from pathlib import Path

from sfp_viz.files import atomic_path
from sfp_viz.nets.export.state_dict_file import LARGEST_DIFFERENCE
from sfp_viz.nets.io.parity import check_parity
from sfp_viz.nets.model import Model, check_model
from sfp_viz.nets.stripes.striped_file import load_striped, save_as_it_runs


def export_model(model: Model, path: str | Path) -> float:
    """Write ``model`` as a file for ``load_model``, with how its layers leave stripes out.

    Args:
        model: The network.
        path: The safetensors file; its folder is made.

    Returns:
        The largest difference between the outputs of the opened file and of ``model``, measured at
        batches of 1, 3 and 32, as a share of the outputs' scale.

    Raises:
        ModelError: As for ``save_model``, or the file differs by more than 1e-6; then no file is
            left.
    """
    check_model(model)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as fresh:
        save_as_it_runs(model, fresh)
        network = load_striped(fresh).module.eval()
        return check_parity(model, network, file="safetensors file", largest=LARGEST_DIFFERENCE)
