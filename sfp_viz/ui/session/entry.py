"""The way into the app when its first visitor asks for an inner page.

Beside a folder ``pages/`` Streamlit runs the requested page alone, without app.py around it, until
app.py has run once in the server. Such a page leaves a note and goes through app.py.
"""

from __future__ import annotations

import streamlit as st

from sfp_viz.ui.session import state

_REQUESTED = "wanted_page"


def enter_through_app(page: str) -> None:
    """Go through app.py when it has not run in this session; each page calls this first."""
    if state.is_new():
        query = st.query_params.to_dict()
        st.session_state[_REQUESTED] = (page, query)
        st.switch_page("app.py", query_params=query)


def open_requested_page() -> None:
    """Go on to the page that was requested; app.py calls this once the pages are known."""
    page, query = st.session_state.pop(_REQUESTED, (None, None))
    if page:
        st.switch_page(page, query_params=query)
