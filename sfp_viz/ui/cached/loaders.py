"""The networks that pages show, cached: values only, shared by all browser sessions.

What is returned is shared and must not be written to. Evidence about them is in evidence.py,
their plans in planned.py, measurements made on a click in pruned.py. Only ``model`` loads torch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.nets.io import model_store, samples
from sfp_viz.runs import folder
from sfp_viz.ui import progress_line
from sfp_viz.ui.progress_line import Progress
from sfp_viz.ui.session.state import Session


def home() -> Path:
    """The workspace on disk."""
    return folder.home()


def network(key: str) -> Network:
    """The traced network of a sample or a stored network. If it has to be traced again, a line on
    the page shows the progress.

    Raises:
        ModelError: There is no such network.
    """
    with progress_line.reporter("status") as progress:
        return _network(key, progress)


@st.cache_resource(max_entries=16, show_spinner=False)
def _network(key: str, _progress: Progress) -> Network:
    if key in samples.sample_names():
        return samples.sample_network(key)
    return model_store.stored_network(home(), key, progress=_progress)


def digest(key: str) -> str:
    """The digest of the weights behind ``key``."""
    return network(key).digest


@st.cache_resource(max_entries=4, show_spinner="Loading the network")
def model(key: str):
    """The torch Model of a sample or a stored network. Loads torch."""
    from sfp_viz.nets.io.load import load_model

    if key in samples.sample_names():
        return load_model(key)
    return model_store.load_stored(home(), key)


@contextmanager
def model_file(key: str) -> Iterator[Path]:
    """The network as a safetensors file, deleted after the block. Loads torch."""
    from sfp_viz.nets.io.model_file import save_model

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "model.safetensors"
        save_model(model(key), path)
        yield path


def forget() -> None:
    """Read everything again, after a network of the workspace became another one under its key."""
    st.cache_resource.clear()
    st.cache_data.clear()


def edits_of(session: Session) -> Edits:
    """The manual edits of the session's network; empty if there are none."""
    return session.edits or Edits(digest=network(session.model).digest)
