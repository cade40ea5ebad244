"""Problems on a page: one clear sentence, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from sfp_viz.errors import EXPORT_ADVICE, EXPORT_LINES, SfpError


@contextmanager
def catch() -> Iterator[None]:
    """Draw an SfpError of the body as an error box and continue after the block."""
    try:
        yield
    except SfpError as problem:
        show(problem)


@contextmanager
def catch_and_stop() -> Iterator[None]:
    """Draw an SfpError of the body as an error box and stop the page."""
    try:
        yield
    except SfpError as problem:
        show(problem)
        st.stop()


def show(problem: SfpError) -> None:
    """Draw the text of an error as plain text: names from a file are never read as markup."""
    from sfp_viz.text.plan.feasibility import error_text

    sentence, advice, _ = error_text(problem).partition(EXPORT_ADVICE)
    st.error(plain(f"{sentence.strip()} {advice}".strip()), icon=":material/error:")
    if advice:
        st.code(EXPORT_LINES, language="python", wrap_lines=True)


def plain(text: str) -> str:
    """``text`` with every character escaped that Markdown, math or icons would interpret."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()<>#+-!|~$:&^=@" else sign for sign in text)
