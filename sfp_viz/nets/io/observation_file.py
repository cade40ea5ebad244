"""Observations as a file: safetensors with a JSON header; written and read without torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from sfp_viz.core.evidence.elimination import Elimination
from sfp_viz.core.evidence.observations import Observations
from sfp_viz.core.json_format import MALFORMED
from sfp_viz.errors import RecipeError

FORMAT = 1
_ENTRY = "sfp_viz_observations"
# names of arrays in the file: fields of Observations
_ARRAYS = {"mean": "mean", "covariance": "covariance", "reach": "readers_gram"}
_WORKED_OUT = ("order", "errors")  # of the eliminations; files of earlier versions have none


def save_observations(observations: Observations, path: str | Path) -> None:
    """Write observations, with the eliminations that are worked out, to a file.

    Args:
        observations: What to write; float64, bit for bit.
        path: The file.

    Raises:
        OSError: It cannot be written.
    """
    Path(path).write_bytes(observations_bytes(observations))


def observations_bytes(observations: Observations) -> bytes:
    """What ``save_observations`` writes."""
    from safetensors.numpy import save

    arrays = {
        f"{name}/{group}": np.ascontiguousarray(array)
        for name, field in _ARRAYS.items()
        for group, array in getattr(observations, field).items()
    }
    for name, scores in observations.scores.items():
        arrays |= {f"scores/{name}/{g}": np.ascontiguousarray(s) for g, s in scores.items()}
    for group, elimination in observations.eliminations.items():
        arrays[f"order/{group}"] = np.array(elimination.order, dtype=np.int64)
        arrays[f"errors/{group}"] = np.array(elimination.errors, dtype=np.float64)
    header = {
        "format": FORMAT,
        "digest": observations.digest,
        "data": observations.data,
        "images": observations.images,
        "power": dict(observations.power),
    }
    return save(arrays, metadata={_ENTRY: json.dumps(header, sort_keys=True)})


def load_observations(path: str | Path) -> Observations:
    """Read what ``save_observations`` wrote; RecipeError on a file that is broken or not ours."""
    from safetensors import SafetensorError, safe_open

    arrays: dict[str, dict[str, np.ndarray]] = {field: {} for field in (*_ARRAYS, *_WORKED_OUT)}
    scores: dict[str, dict[str, np.ndarray]] = {}
    try:
        with safe_open(str(path), framework="numpy") as file:
            header = json.loads((file.metadata() or {})[_ENTRY])
            if header["format"] != FORMAT:
                raise ValueError(f"format {header['format']}")
            for key in file.keys():  # noqa: SIM118 (not a dict)
                field, _, tail = key.partition("/")
                name, _, group = tail.partition("/")
                target = scores.setdefault(name, {}) if field == "scores" else arrays[field]
                target[group if field == "scores" else tail] = file.get_tensor(key)
        orders, errors = (arrays.pop(name) for name in _WORKED_OUT)
        observations = Observations(
            digest=str(header["digest"]),
            data=str(header["data"]),
            images=int(header["images"]),
            power={str(group): float(value) for group, value in header["power"].items()},
            scores=scores,
            **{field: arrays[name] for name, field in _ARRAYS.items()},
        )
        observations.remember(
            {
                group: _elimination(order, errors[group], len(observations.covariance[group]))
                for group, order in orders.items()
            }
        )
        return observations
    except (SafetensorError, OSError, *MALFORMED) as problem:
        raise RecipeError(
            f"The observations in {Path(path).name} cannot be read: {problem}. Calibrate on images "
            "again: 'sfp-viz observe NET'."
        ) from problem


def _elimination(order: np.ndarray, errors: np.ndarray, units: int) -> Elimination:
    """ValueError for one that cannot be of so many units."""
    is_order = np.array_equal(np.sort(order), np.arange(units)) and errors.shape == (units + 1,)
    if not is_order or errors[0] != 0 or errors[-1] > 1 or not (np.diff(errors) >= 0).all():
        raise ValueError("an order of elimination is not valid")
    return Elimination(tuple(order.tolist()), tuple(errors.tolist()))
