"""Why a measured sensitivity no longer holds, in a sentence."""

from __future__ import annotations

from sfp_viz.core.evidence.sensitivity import Change


def stale_sentence(changes: tuple[Change, ...]) -> str:
    """What changed since the sensitivity was measured; '' for nothing."""
    if not changes:
        return ""
    field, measured, current = changes[0]
    if field == "digest":
        return f"It was measured on other weights ({measured}, here {current})."
    choices = [f"{_text(name)} was {_text(a)}, now {_text(b)}" for name, a, b in changes]
    return f"It was measured with other choices: {'; '.join(choices)}. Measure again to be sure."


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")
