"""The button 'Copy link': the address of what is on the screen, without the line of steps."""

from __future__ import annotations

from sfp_viz.ui.components.load import load

_button = load("copy_link")


def copy_link(*, key: str = "copy_link") -> None:
    """Draw the button. Where the browser does not let it copy, the link stands in a field."""
    _button(key=key, data={}, width="content")
