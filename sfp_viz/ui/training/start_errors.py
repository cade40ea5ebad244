"""What is wrong with the settings of a form, in the words of its fields.

The fields take any number: a browser that refuses one keeps it to itself, and the value before it
would be used. The records check the settings, and their sentence stands above the button.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import streamlit as st

from sfp_viz.errors import SfpError
from sfp_viz.ui import problems

_NAMED = re.compile(r"(?:The training's setting )?(\w+) (?=has to be |is |are )")


def words(problem: SfpError, labels: Mapping[str, str]) -> str:
    """The problem's sentence; a setting that begins it is called by its field's label."""
    text = str(problem)
    found = _NAMED.match(text)
    if found is None or found[1] not in labels:
        return text
    return f"'{labels[found[1]]}' {text[found.end() :]}"


def say(text: str) -> None:
    """Show why nothing can be started."""
    st.warning(problems.plain(text), icon=":material/error:")
