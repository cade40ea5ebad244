"""The Model page's panels on an opened file: where its entries went, and its preprocessing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from sfp_viz.core.measurement import PreprocessingCheck
from sfp_viz.core.network import Network
from sfp_viz.nets.io import model_store, samples
from sfp_viz.text.names import join_names
from sfp_viz.text.preprocessing import NAMES, check_rows, check_summary, preprocessing_name
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders, pruned
from sfp_viz.ui.session import state

# images that a network may have been trained on: (channels, height, width) and classes
_SETS = {
    "digits": ((1, 8, 8), 10), "fashion_mnist": ((1, 28, 28), 10), "cifar10": ((3, 32, 32), 10),
    "cifar100": ((3, 32, 32), 100),
}  # fmt: skip
_LIMIT = 400  # test images that decide
_CUSTOM = "Numbers of your own"


def entries(header: dict[str, Any]) -> None:
    """Which entry of the file went where, what was left out, and what had to be assumed.

    Args:
        header: The header of the network's file.
    """
    source = header.get("source") or {}
    if assumed := source.get("assumptions"):
        st.caption(f"Assumed, because the file does not say: {problems.plain('; '.join(assumed))}.")
    if left := source.get("left_out"):
        st.caption(f"Left out of the file: {problems.plain(join_names(left))}.")
    moved = [(old, new) for old, new in source.get("keys", ()) if old != new]
    if moved:
        with st.expander(f"Names in the file ({len(moved):,} differ)"):
            table = pd.DataFrame(moved, columns=["in the file", "in the network"])
            st.dataframe(table, hide_index=True, key="entries")


def preprocessing(network: Network, header: dict[str, Any]) -> None:
    """Measure the network with each usual preprocessing, propose the best, and set it by hand.

    Args:
        network: The network on the screen.
        header: The header of its file.
    """
    key = state.session().model
    if key in samples.sample_names():
        return
    known = bool((header.get("source") or {}).get("known", True))
    st.markdown("**Preprocessing**")
    place = f"preprocessing {network.digest}"
    options = [name for name in _fitting(network) if pruned.data_or_none(name, limit=_LIMIT)]
    check: PreprocessingCheck | None = st.session_state.get(place)
    if check is not None and check.current.mean != tuple(header["mean"]):
        check = None  # it has been set since
    if not options:
        st.caption("No labeled images of its size are on this machine to measure it with.")
    else:
        data = options[0]
        if len(options) > 1:
            data = st.selectbox("Labeled images", options, key=f"check data {network.digest}")
        clicked = st.button(f"Measure on {data}", key="check preprocessing")
        if clicked or (check is None and not known):
            with problems.catch(), st.spinner("Measuring each usual preprocessing"):
                check = _measure(key, data)
                st.session_state[place] = check
    if check is not None:
        _figures(key, check)
    elif not known:
        st.warning("The preprocessing is a guess until it is measured or set.")
    _by_hand(key, network, header)


def _fitting(network: Network) -> list[str]:
    """Named data sets with images and classes like the network's, its own first."""
    names = [
        name for name, (shape, classes) in _SETS.items()
        if shape == tuple(network.input_shape) and classes == network.classes
    ]  # fmt: skip
    return sorted(names, key=lambda name: name != network.data)


def _measure(key: str, data: str) -> PreprocessingCheck:
    from sfp_viz.nets.evaluation.preprocessing_check import check_preprocessing

    images = pruned.data_or_none(data, "test")
    return check_preprocessing(loaders.model(key), images, limit=_LIMIT)


def _figures(key: str, check: PreprocessingCheck) -> None:
    summary = problems.plain(check_summary(check))
    (st.warning if check.is_chance or check.is_better else st.caption)(summary)
    if check.is_better and not check.is_chance:
        st.button(
            f"Use {preprocessing_name(check.best)}", type="primary", key="use preprocessing",
            on_click=_set, args=(key, check.best.mean, check.best.std),
        )  # fmt: skip
    heads = ["preprocessing", "accuracy", "95 % interval", "images"]
    st.dataframe(pd.DataFrame(check_rows(check), columns=heads), hide_index=True, key="check")


def _by_hand(key: str, network: Network, header: dict[str, Any]) -> None:
    from sfp_viz.nets.zoo.preprocessing import candidates, name_of, preprocessing_named

    channels = network.input_shape[0]
    names = [*candidates(channels), _CUSTOM]
    now = name_of(tuple(header["mean"]), tuple(header["std"]))
    with st.expander("Set the preprocessing"), problems.catch():
        chosen = st.selectbox(
            "Pixels from 0 to 1", names, names.index(now) if now else len(names) - 1,
            format_func=lambda name: NAMES.get(name, name), key=f"set {network.digest}",
        )  # fmt: skip
        text = chosen
        if chosen == _CUSTOM:
            text = st.text_input(
                "Mean / deviation", _numbers(header), key=f"numbers {network.digest}",
                help="One number, or one for each channel, such as 0.49,0.48,0.45/0.2,0.2,0.2",
            )  # fmt: skip
        if st.button("Set", key="set preprocessing"):
            _set(key, *preprocessing_named(text, channels))
            st.rerun()


def _numbers(header: dict[str, Any]) -> str:
    return "/".join(",".join(f"{x:.4g}" for x in header[side]) for side in ("mean", "std"))


def _set(key: str, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    """Keep a preprocessing with the network of the workspace."""
    with problems.catch():
        source = replace(loaders.model(key).source, known=True)
        model_store.change_stored(loaders.home(), key, mean=mean, std=std, source=source)
        loaders.forget()
