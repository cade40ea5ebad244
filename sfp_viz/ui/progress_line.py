"""Progress of long work on a page, from inside cached functions too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

import streamlit as st

from sfp_viz.ui.problems import plain

Progress = Callable[[str], None]


@contextmanager
def reporter(draw: str = "caption") -> Iterator[Progress]:
    """Yield a function that draws a line of text in place of the previous one; at the end nothing
    remains.

    A cached function replays what is drawn in it with every call. A progress line is not part of
    its result, so it is drawn in the context outside. Each line also lets Streamlit stop the work,
    for example when the page is left.

    Args:
        draw: 'caption', 'text', or 'status' for a box with a spinner.
    """
    outside, places = copy_context(), []

    def write(text: str) -> None:
        if not places:
            places.append(st.empty())
        place: Any = places[0]
        getattr(place, draw)(text if draw == "text" else plain(text))  # text knows no markup

    try:
        yield lambda text: outside.run(write, text)
    finally:
        if places:
            places[0].empty()
