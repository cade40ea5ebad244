"""Pages without a browser: the app, an empty workspace, and a page to go to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Path:
    """An empty workspace, and no data but the digits."""
    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path))
    monkeypatch.delenv("SFP_VIZ_DATA", raising=False)
    monkeypatch.chdir(ROOT)
    # No warm UMAP process a test: each compiles for 20 s and waits for 15 minutes.
    monkeypatch.setattr("sfp_viz.runs.pool.request_embedding", lambda *_, **__: None)
    st.cache_resource.clear()
    return tmp_path


@pytest.fixture
def open_page(workspace) -> Callable[[str], AppTest]:
    """Open a page of the app by its file's name; the test fails on an exception in it."""

    def opened(name: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
        app.switch_page(f"pages/{name}.py").run()
        assert not app.exception
        return app

    return opened


@pytest.fixture
def unopened(workspace) -> AppTest:
    """The app before its first run, so that a test can say how it begins."""
    return AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
