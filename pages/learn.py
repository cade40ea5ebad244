"""Learn: a lesson of ten minutes on the digits network. Predict, prune, see, check yourself."""

import streamlit as st

from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.learn import lesson, quiz
from sfp_viz.ui.session import entry, state

entry.enter_through_app("pages/learn.py")

with problems.stopping():
    network = loaders.network(lesson.MODEL)

st.title("Which filters can go?")
st.markdown(
    "A lesson of ten minutes on a small network that reads digits. It stands apart from the "
    "network that you are working on."
)

st.header("1. What a filter is")
st.markdown(
    "The first layer looks at the image through these small windows, its **filters**. Each gives "
    "one map of the image. Teal weights count for, orange ones against."
)

lesson.filters(network)

st.header("2. Filters that are alike")
with problems.shown():
    st.markdown(lesson.chance(network))
    lesson.alike(network)
st.caption("Only neighborhoods can be read from the points: distances between islands say little.")

st.header("3. Predict")
share = st.segmented_control(
    "Share of the MACs that goes", list(lesson.TARGETS), default="half", required=True,
    key="lesson_share",
)  # fmt: skip
target = lesson.TARGETS[str(share)]
guess = st.radio(
    "Which filters should go, so that most of the accuracy is left, without any training?",
    (lesson.RANDOM, lesson.NORM, lesson.CLUSTER), index=None, key="lesson_guess",
)  # fmt: skip

st.header("4. See")
st.button(
    "Prune three times and measure", type="primary", disabled=guess is None, key="lesson_show",
    on_click=lesson.show, args=(target,),
)  # fmt: skip
if guess is None:
    st.caption("Choose an answer first.")
elif lesson.shown(target):
    with problems.shown(), st.spinner("Pruning and measuring"):
        lesson.answer(target, guess)

st.header("5. Check yourself")
quiz.quiz()

st.header("Go on")
st.markdown("Open this network and merge clusters by hand, or drag the share of each layer.")
with st.container(horizontal=True):
    if st.button("Open it in Explore", key="lesson_open"):
        state.change(model=lesson.MODEL, group=lesson.repeated().name)
        st.switch_page("pages/explore.py")
    st.button("Start the lesson anew", key="lesson_reset", on_click=lesson.anew)
