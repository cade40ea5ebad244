"""Fixtures for all tests: four tiny torch networks as Models, and a folder with a workspace as a
shell has it. torch is loaded when asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

if "PYTEST_XDIST_WORKER" in os.environ:  # several at once: one thread each, before torch is loaded
    os.environ.setdefault("OMP_NUM_THREADS", "1")


# What takes longest comes first, so that no process is left with it when the others are done.
LONGEST = ("browser", "runs/work", "nets/pruning", "runs", "pages", "nets", "cli")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folders of LONGEST come first, in their order."""

    def place(item: pytest.Item) -> int:
        path = item.path.relative_to(TESTS).as_posix()
        return next((n for n, room in enumerate(LONGEST) if path.startswith(room)), len(LONGEST))

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """A file's tests run in one process; all browser tests do, which share one app."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "browser" if "/browser/" in file else file

    return Scheduling(config, log)


@pytest.fixture(scope="session")
def fork_server():
    """Starts workers at once; a test that is about their start asks for ``new_processes``."""
    from tests.fork_server import ForkServer

    server = ForkServer()
    yield server
    server.stop()


@pytest.fixture
def forked_workers(fork_server, monkeypatch) -> None:
    """Workers and dispatchers are forks of a process that has torch loaded."""
    from sfp_viz.runs import queue
    from sfp_viz.runs.launch import process

    monkeypatch.setattr(process, "start_process", fork_server.start)
    monkeypatch.setattr(queue, "start_process", fork_server.start)


@pytest.fixture
def new_processes(monkeypatch) -> None:
    """Workers start as the app starts them: a new Python that loads what it needs."""
    from sfp_viz.runs import queue
    from sfp_viz.runs.launch import process
    from sfp_viz.runs.storage.processes import start_process

    monkeypatch.setattr(process, "start_process", start_process)
    monkeypatch.setattr(queue, "start_process", start_process)


@pytest.fixture
def shell(tmp_path, forked_workers, monkeypatch) -> Path:
    """A folder of the test as the current one, with a workspace ``home`` of its own."""
    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def working_here(shell, monkeypatch) -> None:
    """As ``shell``; workers work in this process, which saves their start."""
    from sfp_viz.runs import worker
    from sfp_viz.runs.launch import process

    monkeypatch.setattr(process, "launch", lambda path: worker.main([str(path)]))


@pytest.fixture
def put_in_line(working_here, monkeypatch) -> list[Path]:
    """As ``working_here``; what is put in line stays there, and is noted in this list."""
    from sfp_viz.runs import queue

    found: list[Path] = []
    monkeypatch.setattr(queue, "enqueue", lambda path, **_: found.append(path))
    return found


def _model(name: str):
    import torch

    from sfp_viz.nets.model import Model
    from tests.tiny import NETS, randomize

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = NETS[name]()
    return Model(randomize(module), name=name, input_shape=(3, 8, 8))


@pytest.fixture(scope="session")
def plain_model():
    """Convolutions in a row, one followed by BatchNorm, then flattened; 8x8 images, 5 classes."""
    return _model("plain")


@pytest.fixture(scope="session")
def residual_model():
    """A residual add around two convolutions, and one with a projection."""
    return _model("residual")


@pytest.fixture(scope="session")
def depthwise_model():
    """A depthwise convolution, squeeze-and-excite, and a convolution with two conv_groups."""
    return _model("depthwise")


@pytest.fixture(scope="session")
def concat_model():
    """Branches joined by concatenation, and a layer that is used twice."""
    return _model("concat")


@pytest.fixture(scope="session", params=["plain", "residual", "depthwise", "concat"])
def tiny_model(request):
    """Each of the four tiny networks in turn."""
    return _model(request.param)
