"""What finished studies of the workspace say of given weights; loads no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfp_viz.core.cost.latency_table import latency_from_json
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.evidence.sensitivity import sensitivity_from_json
from sfp_viz.core.evidence.study import KINDS
from sfp_viz.errors import RunError
from sfp_viz.runs.folder import read_finding
from sfp_viz.runs.results.catalog import Entry, entries

if TYPE_CHECKING:
    from sfp_viz.core.comparison.trust import Trust
    from sfp_viz.core.evidence.observations import Observations

# kind of study -> the field of Evidence that it fills, and its file
FILES = {
    "observe": ("observations", "observations.safetensors"),
    "sensitivity": ("sensitivity", "sensitivity.json"),
    "latency": ("latency", "latency.json"),
    "trust": ("trust", "trust.json"),
}


@dataclass(frozen=True)
class Source:
    """Where a piece of evidence comes from: the ``kind`` of study, its ``run``, when it ``ended``
    (seconds since 1970), on ``images`` images of ``data`` (0 and '' for a latency), its ``file``.
    A tuple of these is what a cache of evidence depends on."""

    kind: str
    run: str
    ended: float
    data: str
    images: int
    file: Path


def find_sources(home: Path, digest: str) -> tuple[Source, ...]:
    """The newest finished study of each kind, in the order of ``KINDS``.

    Args:
        home: The workspace.
        digest: The weights that were measured.
    """
    newest: dict[str, Source] = {}
    for study in entries(home, KINDS):
        source = _source(study, digest)
        if source and source.ended >= newest.get(source.kind, source).ended:
            newest[source.kind] = source
    return tuple(newest[kind] for kind in KINDS if kind in newest)


def find_evidence(home: Path, digest: str) -> Evidence:
    """The evidence of a workspace for recipes that need it; what was not measured is None.

    Args:
        home: The workspace.
        digest: The weights that were measured.

    Raises:
        SfpError: A file is damaged.
    """
    return read_evidence(find_sources(home, digest))


def read_evidence(sources: tuple[Source, ...]) -> Evidence:
    """The evidence that lies in ``sources``."""
    return _read({source.kind: source.file for source in sources})


def evidence_in(folder: Path) -> Evidence:
    """The evidence that a run was given, in its folder ``evidence``."""
    files = {kind: folder / file for kind, (_, file) in FILES.items()}
    return _read({kind: file for kind, file in files.items() if file.exists()})


def find_trust(home: Path, digest: str) -> Trust | None:
    """The newest test of the suggestion; None before any.

    Args:
        home: The workspace.
        digest: The weights that were measured.
    """
    from sfp_viz.core.comparison.trust import trust_from_json

    files = [source.file for source in find_sources(home, digest) if source.kind == "trust"]
    return trust_from_json(_text(files[0])) if files else None


def _source(study: Entry, digest: str) -> Source | None:
    finding = read_finding(study.path)
    if finding is None or finding.digest != digest:
        return None
    file = study.path / FILES[study.kind][1]
    return Source(study.kind, study.path.name, finding.ended, finding.data, finding.images, file)


def _read(files: dict[str, Path]) -> Evidence:
    readers: dict[str, Callable[[Path], Any]] = {
        "observe": _observations,
        "sensitivity": lambda file: sensitivity_from_json(_text(file)),
        "latency": lambda file: latency_from_json(_text(file)),
    }
    parts = {FILES[k][0]: read(files[k]) for k, read in readers.items() if k in files}
    return Evidence(**parts)


def _observations(file: Path) -> Observations:
    from sfp_viz.nets.io.observation_file import load_observations

    return load_observations(file)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as problem:
        raise RunError(
            f"The result of the study {file.parent.name} cannot be read: {problem}. Delete that "
            "run and measure again."
        ) from problem
