"""The real app in a real Chromium: one server and one browser for all tests here."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from sfp_viz.runs.pool import stop_pool

if TYPE_CHECKING:
    from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parent.parent.parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)

PATIENCE = 60_000  # milliseconds: a machine that is busy elsewhere is no failure


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            # pytest turns the unclosed sockets of the browser's driver into errors at exit
            item.add_marker(pytest.mark.filterwarnings("default::ResourceWarning"))


@pytest.fixture(scope="session")
def chromium():
    """A running Chromium; without one the tests are skipped, except in CI, where they fail."""
    if CHROMIUM is None:
        reason = "no Chromium or Chrome is installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def workspace(tmp_path_factory):
    """The folder in which the app under test keeps its things."""
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="session")
def address(workspace, fork_server):
    """The address of a running app with an empty workspace and no data but the digits; it and its
    workers are forks of a process that has torch loaded."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true"]
    command.append(f"--server.port={port}")
    environment = {"SFP_VIZ_HOME": str(workspace), "SFP_VIZ_DATA": "", "OMP_NUM_THREADS": "1"}
    with (workspace / "server.log").open("wb") as log, contextlib.chdir(ROOT):
        number = fork_server.start(command, output=log, environment=environment)
    server = psutil.Process(number)
    try:
        _wait_for(f"http://127.0.0.1:{port}/_stcore/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except psutil.TimeoutExpired:  # a machine that is busy elsewhere is no failure
            server.kill()
            server.wait()
        stop_pool(workspace)


def _wait_for(url: str, server: psutil.Process) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        assert server.is_running(), "the app ended before it answered"
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the app did not answer within a minute")


@pytest.fixture
def elsewhere(chromium, address) -> Iterator[Callable[[], Page]]:
    """Call it for a tab in a browser of its own, with nothing remembered of any other.

    The test fails when a tab asks anything of another machine.
    """
    contexts, outside = [], []
    own = (address, address.replace("http", "ws"), "data:", "blob:")

    def opened() -> Page:
        context = chromium.new_context(
            viewport={"width": 1360, "height": 900}, accept_downloads=True, base_url=address,
            reduced_motion="reduce",  # what is measured is not on its way
        )  # fmt: skip
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(PATIENCE)
        tab.on("request", lambda r: None if r.url.startswith(own) else outside.append(r.url))
        return tab

    yield opened
    for context in contexts:
        context.close()
    assert not outside, f"the page asked other machines: {outside[:3]}"


@pytest.fixture
def page(elsewhere) -> Page:
    """A fresh tab."""
    return elsewhere()
