"""Lines about long work, where it happens on a page, from inside cached functions too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any

import streamlit as st

from sfp_viz.ui.problems import plain

Progress = Callable[[str], None]


@contextmanager
def line(draw: str = "caption") -> Iterator[Progress]:
    """A place for one line that is replaced by the next, and gone after the block; nothing is
    drawn before the first. ``draw``: 'caption', or 'status' for a box with a running sign.

    A cached function replays what is drawn in it whenever it is asked again. A line about its
    work is no part of what it found, so it is drawn as if outside. Each line also lets Streamlit
    stop the work, as when somebody leaves the page.
    """
    outside, places = copy_context(), []

    def write(text: str) -> None:
        if not places:
            places.append(st.empty())
        place: Any = places[0]
        getattr(place, draw)(plain(text))

    try:
        yield lambda text: outside.run(write, text)
    finally:
        if places:
            places[0].empty()
