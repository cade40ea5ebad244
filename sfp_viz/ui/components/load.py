"""Mounts a component from the files that stand beside this one: NAME.js, NAME.css, NAME.html."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

_HERE = Path(__file__).parent


def load(name: str) -> Any:
    """The component ``name``; called once, at import.

    The texts are handed over whole: a string with a newline inside counts as code, not as a path.
    """
    html, css, js = (
        (_HERE / f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js")
    )
    return component(f"sfp_viz_{name}", html=html, css=css, js=js)
