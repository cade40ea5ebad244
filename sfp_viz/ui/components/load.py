"""Mounts a component from the files that stand beside this one: NAME.js, NAME.css, NAME.html."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

_HERE = Path(__file__).parent


def load(name: str, *before: str) -> Any:
    """The component ``name``; called once, at import. The texts are passed whole: Streamlit reads a
    string with a newline as code, not as a path.

    Args:
        name: Name of its files NAME.js, NAME.css and NAME.html.
        before: Names of shared scripts that come before its own.
    """
    html, css = (_text(f"{name}.{kind}") for kind in ("html", "css"))
    js = "\n".join(_text(f"{script}.js") for script in (*before, name))
    return component(f"sfp_viz_{name}", html=html, css=css, js=js)


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
