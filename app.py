"""The frame around every page: theme, link, top bar, the page itself."""

import streamlit as st

from sfp_viz.ui import frame
from sfp_viz.ui.navigation import links
from sfp_viz.ui.session import entry, state

st.set_page_config(page_title="sfp-viz", page_icon="static/icon.png", layout="wide")

if state.is_new():
    links.open_link(st.query_params)

page = st.navigation(
    [
        st.Page("pages/start.py", title="Start", default=True),
        st.Page("pages/model.py", title="Model"),
        st.Page("pages/explore.py", title="Explore"),
        st.Page("pages/plan.py", title="Plan"),
        st.Page("pages/check.py", title="Check"),
        st.Page("pages/finetune.py", title="Fine-tune"),
        st.Page("pages/compare.py", title="Compare"),
        st.Page("pages/export.py", title="Export"),
        st.Page("pages/learn.py", title="Learn"),
    ],
    position="top",
)
entry.open_requested_page()
links.update_address(state.session())
frame.top(page.url_path, page.title)
page.run()
