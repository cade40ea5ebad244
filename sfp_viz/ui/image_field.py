"""Which images a network is measured and trained with: chosen once for each network."""

from __future__ import annotations

import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.errors import DataError
from sfp_viz.nets.data.datasets import NAMES, available, image_shape
from sfp_viz.text.outputs import NO_SCORES
from sfp_viz.ui import problems

_CHOSEN = "images_of"  # session_state: digest -> name, chosen in this browser session
_WITHOUT = "Without images, accuracy and training are not available; everything else works."
_FETCHED = ("fashion_mnist", "cifar10", "cifar100")


def images_name(network: Network) -> str:
    """The name of the images of ``network``: the chosen ones, else those it was trained on."""
    return st.session_state.get(_CHOSEN, {}).get(network.digest, network.data)


def available_images(network: Network) -> str:
    """The name of the images of ``network`` where they are on this machine and have the size that
    it takes, else ''; '' where it gives no score per class, and labels are of no use."""
    name = "" if network.outputs else images_name(network)
    return name if name and available(name) and not _misfit(network, name) else ""


def _misfit(network: Network, name: str) -> str:
    """What is wrong with the size of the images, as a sentence; '' where nothing is known to be."""
    shape = _shape(name)
    if shape is None or shape == network.input_shape:
        return ""
    sizes, wanted = (" × ".join(map(str, row)) for row in (shape, network.input_shape))
    return f"The images {name!r} are {sizes}, but the network takes {wanted}."


@st.cache_data(max_entries=32, show_spinner=False)
def _shape(name: str) -> tuple[int, ...] | None:
    return image_shape(name)


def ask_images(network: Network, *, key: str) -> str:
    """A field for the images; returns their name where they are on this machine, else ''.

    Known data sets are offered where their images have the size that the network takes. Without
    images, or where no score per class is given, a sentence says what still works. They are
    downloaded only on a click.

    Args:
        network: The network that the images are for.
        key: Key of the field.
    """
    if network.outputs:
        st.info(NO_SCORES)
        return ""
    name = images_name(network)
    fitting = [known for known in NAMES if not _misfit(network, known)]
    options = list(dict.fromkeys([name, *fitting] if name else fitting))

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
        if problem := _misfit(network, name):
            st.info(problems.plain(f"{problem} {_WITHOUT} Choose others."))
            return ""
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
