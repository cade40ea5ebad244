"""Studies by one click: asked for at once, started when the page is drawn, however often clicked.

A start loads torch first. A second click would break it off, so the click only leaves a note.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from sfp_viz.core.evidence.evidence import scores_of
from sfp_viz.core.evidence.study import Kind, Study
from sfp_viz.core.network import Network
from sfp_viz.ui.cached import evidence
from sfp_viz.ui.session import state
from sfp_viz.ui.studies import study_panel

_ASKED = "study_asked"  # session_state: the Wanted study, until it was started
_CHOICES = (256, 512, 1024, 2048, 5000)


@dataclass(frozen=True)
class Wanted:
    """A study of the weights with ``digest`` on images ``data`` that was asked for."""

    digest: str
    study: Study
    data: str


def start_button(
    network: Network, kind: Kind, label: str, *, quiet: bool = False, place: str = "",
    settings: Callable[[int], Study] | None = None,
) -> None:  # fmt: skip
    """A button that starts a study, with the number of images beside it where it takes some."""
    if note := under_way(network, kind):
        st.caption(note, width="content")
        return
    data = study_panel.images_for(network, kind)
    counted = kind in study_panel.NEEDS_IMAGES and bool(data)

    def clicked() -> None:
        images = int(st.session_state.get(_count_key(kind, place)) or 0)
        ask(network, settings(images) if settings else study_of(kind, images), data or "")

    if counted:
        again = st.popover(label, type="tertiary") if quiet else None
        with again or st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            _ask_count(kind, place)
            _button("Start" if quiet else label, f"start_{kind}{place}", clicked)
    else:
        _button(label, f"start_{kind}{place}", clicked, off=data is None, quiet=quiet)


def under_way(network: Network, kind: str) -> str:
    """How far a study that was asked for or goes on is, in words; '' where there is none."""
    asked = st.session_state.get(_ASKED)
    if asked is not None and (asked.digest, asked.study.kind) == (network.digest, kind):
        return "Starting"
    run = study_panel.newest(kind, network.digest)
    return study_panel.progress(run) if run is not None and not run.over else ""


def ask(network: Network, study: Study, data: str) -> None:
    """Leave a note that a study is wanted; asked again, it stays one study."""
    if not under_way(network, study.kind):
        st.session_state[_ASKED] = Wanted(network.digest, study, data)


def carry_out(network: Network) -> None:
    """Start what was asked for; called at the end of a page. An interrupted start begins again."""
    asked = st.session_state.get(_ASKED)
    if asked is None:
        return
    run = study_panel.newest(asked.study.kind, asked.digest)
    try:
        if asked.digest == network.digest and (run is None or run.over):
            study_panel.begin(asked.study, asked.data)
    except Exception:  # an interruption by Streamlit is none, and leaves the note where it is
        del st.session_state[_ASKED]
        raise
    del st.session_state[_ASKED]
    st.rerun()


def study_of(kind: Kind, images: int) -> Study:
    """The settings of a study with ``images`` images."""
    if kind == "observe":
        now = state.session()
        seen = evidence.evidence(now.model).observations
        scores = {*scores_of(now.recipe), *(seen.scores if seen else ())}
        return Study("observe", calibration=images, scores=tuple(sorted(scores)))
    return Study(kind) if kind == "latency" else Study(kind, images=images)


def _button(
    label: str, key: str, clicked: Callable[[], None], *, off: bool = False, quiet: bool = False
) -> None:
    st.button(
        label,
        key=key,
        on_click=clicked,
        disabled=off,
        help="Needs images: choose some first." if off else None,
        type="tertiary" if quiet else "secondary",
        icon=":material/play_arrow:",
    )


def _count_key(kind: str, place: str) -> str:
    return f"count_{kind}{place}"


def _ask_count(kind: str, place: str) -> None:
    st.selectbox(
        "Images", _CHOICES, index=2 if kind == "observe" else 1, width=110,
        key=_count_key(kind, place),
        help="More images make it slower and surer: 500 tell accuracies apart that differ by "
        "about 4 points, 2,000 by about 2.",
    )  # fmt: skip
