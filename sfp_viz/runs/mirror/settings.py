"""Which MLflow server a workspace mirrors to, and how its address is shown."""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from sfp_viz.errors import RunError
from sfp_viz.runs.storage.workspace import change_settings, section

VARIABLE = "SFP_VIZ_MLFLOW"


NEEDS = "pip install mlflow-skinny sqlalchemy alembic"


@dataclass(frozen=True)
class Mirroring:
    """Where runs are mirrored: a tracking ``uri`` of MLflow, such as http://server:5000 or
    sqlite:////shared/mlflow.db, and the name of the ``experiment`` there."""

    uri: str
    experiment: str = "sfp-viz"

    def __post_init__(self) -> None:
        if "://" not in self.uri or self.uri.startswith("file:"):
            raise RunError(
                f"'{masked(self.uri)}' is no tracking address that MLflow takes. It looks like "
                "http://server:5000, or sqlite:////path/mlflow.db for a file."
            )

    @property
    def shown(self) -> Mirroring:
        """The same for people and files: no password in it."""
        return replace(self, uri=masked(self.uri))


def masked(uri: str) -> str:
    """``uri`` without the name and the password that it may carry, to be shown and written down."""
    scheme, mark, rest = uri.partition("://") if "://" in uri else ("", "", uri)
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    odd = not re.fullmatch(r"[^:]*(:\d*)?|\[.*\](:\d*)?", host)  # a password with a / in it
    if "@" in host or (odd and "@" in rest):
        rest = f"***@{rest.rpartition('@')[2]}"
    return scheme + mark + re.sub(r"(?i)((?:password|passwd|token)=)[^&#]*", r"\1***", rest)


def read_mirroring(home: Path) -> Mirroring | None:
    """Where runs of the workspace ``home`` are mirrored: ``SFP_VIZ_MLFLOW`` names the address,
    else the settings do; None when they are not. Raises RunError."""
    saved = section(home, "mirror")
    values = {f.name: str(saved[f.name]) for f in fields(Mirroring) if f.name in saved}
    if address := os.environ.get(VARIABLE, "").strip():
        values["uri"] = address
    return Mirroring(**values) if values.get("uri") else None


def set_mirroring(home: Path, mirroring: Mirroring | None) -> None:
    """Set where the runs of a workspace are mirrored.

    Args:
        home: The workspace.
        mirroring: The server and experiment; None turns mirroring off.
    """
    change_settings(home, {"mirror": asdict(mirroring) if mirroring else None})


def missing_packages() -> str:
    """How to install what the mirror needs, '' when it is there. Imports nothing."""
    return "" if importlib.util.find_spec("mlflow") else NEEDS
