"""Studies by one click: a click leaves a request, and drawing the page starts the study.

A start loads torch first, and a second click would interrupt it; so a click only leaves a request.
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

_REQUEST = "study_asked"  # session_state: the StudyRequest, until the study was started
_CHOICES = (256, 512, 1024, 2048, 5000)


@dataclass(frozen=True)
class StudyRequest:
    """A requested study.

    Attributes:
        digest: Digest of the weights.
        study: Its settings.
        data: Name of its images, '' for none.
    """

    digest: str
    study: Study
    data: str


def start_button(
    network: Network, kind: Kind, label: str, *, quiet: bool = False, place: str = "",
    settings: Callable[[int], Study] | None = None,
) -> None:  # fmt: skip
    """A button that starts a study, with the number of images beside it where it uses some.

    Args:
        network: The network.
        kind: Kind of the study.
        label: Label of the button.
        quiet: A less prominent button.
        place: A name that distinguishes it from the same button elsewhere on the page.
        settings: The study for a number of images; None for `study_of`.
    """
    if note := progress_of(network, kind):
        st.caption(note, width="content")
        return
    data = study_panel.images_for(network, kind)
    asks_count = kind in study_panel.NEEDS_IMAGES and bool(data)

    def on_click() -> None:
        images = int(st.session_state.get(_count_key(kind, place)) or 0)
        request(network, settings(images) if settings else study_of(kind, images), data or "")

    if asks_count:
        again = st.popover(label, type="tertiary") if quiet else None
        with again or st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            _count_field(kind, place)
            _button("Start" if quiet else label, f"start_{kind}{place}", on_click)
    else:
        _button(label, f"start_{kind}{place}", on_click, off=data is None, quiet=quiet)


def progress_of(network: Network, kind: str) -> str:
    """The progress of a requested or running study in words; '' if there is none.

    Args:
        network: The network.
        kind: Kind of the study.
    """
    requested = st.session_state.get(_REQUEST)
    if requested is not None and (requested.digest, requested.study.kind) == (network.digest, kind):
        return "Starting"
    run = study_panel.newest(kind, network.digest)
    return study_panel.progress_text(run) if run is not None and not run.over else ""


def request(network: Network, study: Study, data: str) -> None:
    """Request a study; a second request changes nothing.

    Args:
        network: The network.
        study: The settings of the study.
        data: Name of the images, '' for none.
    """
    if not progress_of(network, study.kind):
        st.session_state[_REQUEST] = StudyRequest(network.digest, study, data)


def start_requested(network: Network) -> None:
    """Start the requested study; called at the end of a page. An interrupted start is repeated."""
    requested = st.session_state.get(_REQUEST)
    if requested is None:
        return
    run = study_panel.newest(requested.study.kind, requested.digest)
    try:
        if requested.digest == network.digest and (run is None or run.over):
            study_panel.start_study(requested.study, requested.data)
    except Exception:  # an interruption by Streamlit is no Exception and keeps the request
        del st.session_state[_REQUEST]
        raise
    del st.session_state[_REQUEST]
    st.rerun()


def study_of(kind: Kind, images: int) -> Study:
    """The settings of a study.

    Args:
        kind: Kind of the study.
        images: Number of images it uses.
    """
    if kind == "observe":
        session = state.session()
        observations = evidence.evidence(session.model).observations
        scores = {*scores_of(session.recipe), *(observations.scores if observations else ())}
        return Study("observe", calibration=images, scores=tuple(sorted(scores)))
    return Study(kind) if kind == "latency" else Study(kind, images=images)


def _button(
    label: str, key: str, on_click: Callable[[], None], *, off: bool = False, quiet: bool = False
) -> None:
    st.button(
        label,
        key=key,
        on_click=on_click,
        disabled=off,
        help="Choose images first." if off else None,
        type="tertiary" if quiet else "secondary",
        icon=":material/play_arrow:",
    )


def _count_key(kind: str, place: str) -> str:
    return f"count_{kind}{place}"


def _count_field(kind: str, place: str) -> None:
    st.selectbox(
        "Images", _CHOICES, index=2 if kind == "observe" else 1, width=110,
        key=_count_key(kind, place),
        help="More images take longer and are more precise: 500 images distinguish accuracies that "
        "differ by about 4 points, 2,000 images about 2 points.",
    )  # fmt: skip
