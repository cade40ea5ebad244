"""Which images a network is measured and trained with: asked once, kept for each network."""

from __future__ import annotations

import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.errors import DataError
from sfp_viz.nets.data.datasets import NAMES, available
from sfp_viz.ui import problems

_CHOSEN = "images_of"  # session_state: digest -> name, chosen in this browser session
_WITHOUT = "Without images nothing is trained and no accuracy measured; all else works."
_FETCHED = ("fashion_mnist", "cifar10", "cifar100")


def images_name(network: Network) -> str:
    """The name of the images of ``network``: what was chosen, else what it was trained on."""
    return st.session_state.get(_CHOSEN, {}).get(network.digest, network.data)


def here(network: Network) -> str:
    """The name of the images of ``network`` where they are on this machine, else ''."""
    name = images_name(network)
    return name if name and available(name) else ""


def ask_images(network: Network, *, key: str) -> str:
    """A field for the images; returns their name where they are on this machine, else ''.

    Without images, a sentence says what still works. Known sets are fetched only on a click.
    """
    name = images_name(network)
    options = list(dict.fromkeys([name, *NAMES] if name else NAMES))

    def chosen() -> None:
        picked = st.session_state[key] or ""
        st.session_state[_CHOSEN] = {**st.session_state.get(_CHOSEN, {}), network.digest: picked}

    st.selectbox(
        "Images", options, index=options.index(name) if name else None, key=key, on_change=chosen,
        accept_new_options=True, placeholder="A name, an .npz file or a folder", width=300,
        help="A known name, an .npz file with 'images' and 'labels', or a folder with one folder "
        "for each class.",
    )  # fmt: skip
    if not name:
        st.info(f"No images are chosen. {_WITHOUT}")
        return ""
    if available(name):
        return name
    st.info(
        f"The images {problems.plain(repr(name))} are not on this machine. {_WITHOUT} Choose "
        "others, or set SFP_VIZ_DATA to the folder that holds them and start again."
    )
    if name in _FETCHED:
        st.button("Download them", key=f"{key}_fetch", on_click=_fetch, args=(name,))
    return ""


def _fetch(name: str) -> None:
    from sfp_viz.nets.data.datasets import load_data

    bar = st.progress(0.0, text=f"Downloading {name}")

    def progress(file: str, share: float) -> None:
        bar.progress(share, text=f"Downloading {file}")

    try:
        for split in ("train", "test"):
            load_data(name, split, download=True, progress=progress)
    except (DataError, OSError) as problem:
        st.toast(f"The download failed: {problems.plain(str(problem))}", icon=":material/error:")
    finally:
        bar.empty()
