"""The way into the app when its first visitor asks for an inner page.

Beside a folder ``pages/`` Streamlit runs the asked page alone, without app.py around it, until
app.py has run once in the server. Such a page leaves a note and goes through app.py.
"""

from __future__ import annotations

import streamlit as st

from sfp_viz.ui.session import state

_WANTED = "wanted_page"


def through(page: str) -> None:
    """Called first by each page: go through app.py when it has not run in this session."""
    if state.is_new():
        asked = st.query_params.to_dict()
        st.session_state[_WANTED] = (page, asked)
        st.switch_page("app.py", query_params=asked)


def go_on() -> None:
    """Called by app.py once the pages are known: on to the page that was asked for."""
    page, asked = st.session_state.pop(_WANTED, (None, None))
    if page:
        st.switch_page(page, query_params=asked)
