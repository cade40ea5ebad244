"""Which images a network is measured and trained with: chosen once for each network."""

from __future__ import annotations

import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.errors import DataError
from sfp_viz.nets.data.datasets import NAMES, available
from sfp_viz.ui import problems

_CHOSEN = "images_of"  # session_state: digest -> name, chosen in this browser session
_WITHOUT = "Without images, accuracy and training are not available; everything else works."
_FETCHED = ("fashion_mnist", "cifar10", "cifar100")


def images_name(network: Network) -> str:
    """The name of the images of ``network``: the chosen ones, else those it was trained on."""
    return st.session_state.get(_CHOSEN, {}).get(network.digest, network.data)


def available_images(network: Network) -> str:
    """The name of the images of ``network`` where they are on this machine, else ''."""
    name = images_name(network)
    return name if name and available(name) else ""


def ask_images(network: Network, *, key: str) -> str:
    """A field for the images; returns their name where they are on this machine, else ''.

    Without images, a sentence says what still works. Known datasets are downloaded only on a click.

    Args:
        network: The network that the images are for.
        key: Key of the field.
    """
    name = images_name(network)
    options = list(dict.fromkeys([name, *NAMES] if name else NAMES))

    def on_change() -> None:
        names = st.session_state.get(_CHOSEN, {})
        st.session_state[_CHOSEN] = {**names, network.digest: st.session_state[key] or ""}

    st.selectbox(
        "Images", options, index=options.index(name) if name else None, key=key,
        on_change=on_change, accept_new_options=True,
        placeholder="A name, an .npz file or a folder", width=300,
        help="A known dataset, an .npz file with 'images' and 'labels', or a folder with one "
        "subfolder per class.",
    )  # fmt: skip
    if not name:
        st.info(f"No images chosen. {_WITHOUT}")
        return ""
    if available(name):
        return name
    st.info(
        f"The images {problems.plain(repr(name))} are not on this machine. {_WITHOUT} Choose "
        "others, or set SFP_VIZ_DATA to their folder and restart the app."
    )
    if name in _FETCHED:
        st.button("Download images", key=f"{key}_fetch", on_click=_fetch, args=(name,))
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
        st.toast(f"Download failed: {problems.plain(str(problem))}", icon=":material/error:")
    finally:
        bar.empty()
