"""Mounts a component from the files that stand beside this one: NAME.js, NAME.css, NAME.html."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

_HERE = Path(__file__).parent


def load(name: str, *, html: str = "") -> Any:
    """The component ``name``; without a NAME.html its element is ``html``. Once, at import.

    The texts are handed over whole: a string with a newline inside counts as code, not as a path.
    """
    page = _HERE / f"{name}.html"
    return component(
        f"sfp_viz_{name}",
        html=page.read_text(encoding="utf-8") if page.exists() else html,
        css=(_HERE / f"{name}.css").read_text(encoding="utf-8"),
        js=(_HERE / f"{name}.js").read_text(encoding="utf-8"),
    )
