"""The lesson's questions: each answer is judged at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Question:
    """A question of the lesson.

    Attributes:
        text: The question.
        answers: The possible answers.
        right: The correct one.
        because: The explanation.
    """

    text: str
    answers: tuple[str, ...]
    right: str
    because: str


QUESTIONS: Mapping[str, Question] = {
    "duplicates": Question(
        "Two filters of a layer are identical. What is lost when one of them is pruned?",
        ("Half of the layer", "Almost nothing, once the next layer weights the other one twice",
         "The network no longer runs"),
        "Almost nothing, once the next layer weights the other one twice",
        "Both have the same output, so the next layer only has to double the weight of the kept "
        "one. Compensation or fine-tuning does this.",
    ),
    "small": Question(
        "A filter has small weights. Can it be pruned without harm?",
        ("Always", "Not always: its output may be unlike that of any other filter", "Never"),
        "Not always: its output may be unlike that of any other filter",
        "Small is not the same as redundant, and a later layer may scale its output up.",
    ),
    "ratio": Question(
        "Half of the filters of every layer are pruned. How many MACs does a middle layer save?",
        ("Half", "About three quarters", "A quarter"),
        "About three quarters",
        "The layer has half as many filters, and each of them reads half as many channels.",
    ),
}  # fmt: skip


def quiz() -> None:
    """The questions; each answer is judged at once."""
    for name, question in QUESTIONS.items():
        answer = st.radio(question.text, question.answers, index=None, key=f"quiz_{name}")
        if answer is not None:
            verdict = "Correct." if answer == question.right else f"Not quite: {question.right}."
            st.caption(f"{verdict} {question.because}")
