"""Errors of a form's settings, in terms of its fields.

The fields accept any number: a browser that refuses one does not report it, and the value before
would be used. The records check the settings, and the form shows their error above its button.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import streamlit as st

from sfp_viz.errors import SfpError
from sfp_viz.text.plan.feasibility import error_text
from sfp_viz.ui import problems

_SETTING = re.compile(r"(?:The training's setting )?(\w+) (?=has to be |is |are )")


def message(problem: SfpError, labels: Mapping[str, str]) -> str:
    """The sentence of an error, in which a setting at its beginning is called by the label of its
    field.

    Args:
        problem: The error.
        labels: Labels by setting.
    """
    text = error_text(problem)
    match = _SETTING.match(text)
    if match is None or match[1] not in labels:
        return text
    return f"'{labels[match[1]]}' {text[match.end() :]}"


def show(text: str) -> None:
    """Show why the run cannot be started."""
    st.warning(problems.plain(text), icon=":material/error:")
