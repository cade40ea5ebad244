"""The lesson's questions: each answer is judged at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Question:
    """A question with its answers; ``right`` is the one that holds, ``because`` says why."""

    text: str
    answers: tuple[str, ...]
    right: str
    because: str


QUESTIONS: Mapping[str, Question] = {
    "duplicates": Question(
        "Two filters of a layer are exactly alike. What is lost when one of them goes?",
        ("Half of the layer", "Almost nothing, once the next layer counts the other one twice",
         "The network no longer runs"),
        "Almost nothing, once the next layer counts the other one twice",
        "Both say the same; the next layer only has to weigh the one that stays a little more. "
        "That is what training, or a correction of the next layer, does.",
    ),
    "small": Question(
        "A filter has small weights. Can it go without harm?",
        ("Always", "Not always: what it says may be said by no other filter", "Never"),
        "Not always: what it says may be said by no other filter",
        "Size is not the same as being replaceable; and a layer after it may scale it up again.",
    ),
    "ratio": Question(
        "Half of the filters of every layer go. How much of the MACs of a middle layer is saved?",
        ("Half", "About three quarters", "A quarter"),
        "About three quarters",
        "A layer has half as many filters, and each of them sees half as many channels.",
    ),
}  # fmt: skip


def quiz() -> None:
    """The questions; each answer is judged at once."""
    for name, question in QUESTIONS.items():
        said = st.radio(question.text, question.answers, index=None, key=f"quiz_{name}")
        if said is not None:
            word = "Right." if said == question.right else f"It is: {question.right}."
            st.caption(f"{word} {question.because}")
