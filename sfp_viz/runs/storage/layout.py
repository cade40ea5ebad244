"""Laying out the folder of a new run: it appears at once, with everything that its worker needs."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfp_viz.errors import RunError
from sfp_viz.files import write_json
from sfp_viz.runs.storage.json_record import load_record

FORMAT = 1
SETTINGS, RESULT = "settings.json", "result.json"
ROOTS = ("SFP_VIZ_DATA", "SFP_VIZ_HOME")  # folders that each machine may have elsewhere


@dataclass(frozen=True)
class RunSettings:
    """``settings.json``: what the starter of a run wrote down, once.

    Attributes:
        format: The version of the file.
        kind: 'finetune', 'steps', 'sparsify', 'sweep', or the kind of a study.
        name: What the run is about, such as the name of its network.
        data: The images, by name or path; ``local_data`` gives this machine's path.
        created: Seconds since 1970.
        settings: Those of the training or the study.
        facts: Names, hashes and costs.
        files: The files that came with the run; () in runs of earlier versions.
    """

    format: int
    kind: str
    name: str
    data: str
    created: float
    settings: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> RunSettings:
        """What the starter of the run in ``folder`` wrote down.

        Raises:
            RunError: There is no such file, or a field is missing or has the wrong type.
        """
        record = load_record(cls, folder / SETTINGS)
        if record is None:
            raise RunError(
                f"There is no run at {folder}: its settings.json is missing or unreadable."
            )
        return record


def create_folder(target: Path, entry: Mapping[str, Any], files: Mapping[str, Path | str]) -> Path:
    """Create the folder of a run, which appears at once, and return it.

    Args:
        target: The folder.
        entry: The content of settings.json.
        files: By name a text, or the path of a file that is copied.

    Raises:
        RunError: There is such a folder already, or it cannot be written.
    """
    if target.exists():
        raise RunError(f"There is already a run at {target}. Choose another name, or delete it.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=target.parent, prefix=".new-"))
        try:
            for name, content in files.items():
                (fresh / name).parent.mkdir(exist_ok=True)
                if isinstance(content, Path):
                    shutil.copyfile(content, fresh / name)
                else:
                    (fresh / name).write_text(content)
            settings = {"format": FORMAT, "created": time.time(), **entry, "files": sorted(files)}
            write_json(fresh / SETTINGS, {**settings, "data": _anywhere(settings["data"])})
            fresh.chmod(0o755)
            fresh.rename(target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    except OSError as problem:
        raise RunError(f"The folder {target} of the run cannot be created: {problem}.") from problem
    return target


def input_files(path: Path, entry: RunSettings) -> tuple[str, ...]:
    """The files that came with a run.

    Args:
        path: The folder of the run.
        entry: Its settings.json; earlier versions did not list the files, which are then known by
            name.
    """
    names = entry.files or ("start.safetensors", "teacher.safetensors", "plan.json")
    return tuple(name for name in names if (path / name).is_file())


def free_name(path: Path) -> Path:
    """A name beside ``path`` that is not taken yet."""
    return next(p for n in range(2, 1000) if not (p := path.with_name(f"{path.name}-{n}")).exists())


def free_folder(home: Path, name: str) -> Path:
    """A folder for a new run, which does not exist yet.

    Args:
        home: The workspace.
        name: What the run is called.
    """
    runs = home / "runs"
    word = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "run"
    stamp = time.strftime("%Y%m%d-%H%M%S")
    numbers = ["", *(f"-{n}" for n in range(2, 1000))]
    return next(p for n in numbers if not (p := runs / f"{stamp}-{word}{n}").exists())


def local_data(data: str) -> str:
    """The ``data`` of settings.json as this machine has them: a path that begins with a root, such
    as ``${SFP_VIZ_DATA}/mine.npz``, begins with this machine's own."""
    for name in ROOTS:
        root = os.environ.get(name)
        if root and data.startswith(f"${{{name}}}/"):
            return str(Path(root).expanduser().absolute() / data.partition("/")[2])
    return data


def _anywhere(data: str) -> str:
    """A file or folder of images by its full path: the worker may start in another folder; below a
    root, by that: the worker may start on another machine."""
    from sfp_viz.nets.data.datasets import NAMES

    path = Path(data).expanduser()
    if not data or data in NAMES or not path.exists():
        return data
    path = path.absolute()
    for name in ROOTS:
        root = os.environ.get(name)
        if root and (below := Path(root).expanduser().absolute()) in path.parents:
            return f"${{{name}}}/{path.relative_to(below)}"
    return str(path)
