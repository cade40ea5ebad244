"""Learn: a ten-minute lesson on the digits network: predict, prune, see, check yourself."""

import streamlit as st

from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.learn import lesson, quiz
from sfp_viz.ui.navigation.network_switch import open_network
from sfp_viz.ui.session import entry

entry.enter_through_app("pages/learn.py")

with problems.catch_and_stop():
    network = loaders.network(lesson.MODEL)

st.title("Which filters can be pruned?")
st.markdown(
    "A ten-minute lesson on a small network that recognizes digits. It does not affect the network "
    "you are working on."
)

st.header("1. What a filter is")
st.markdown(
    "The first layer scans the image with these small windows, its **filters**. Each filter "
    "produces one feature map. Teal: positive weights; orange: negative weights."
)

lesson.filters(network)

st.header("2. Filters that are alike")
with problems.catch():
    st.markdown(lesson.redundancy_text(network))
    lesson.similar_filters(network)
st.caption("On the map only neighborhoods are meaningful; distances between clusters are not.")

st.header("3. Predict")
share = st.segmented_control(
    "MACs to remove", list(lesson.TARGETS), default="half", required=True,
    key="lesson_share",
)  # fmt: skip
target = lesson.TARGETS[str(share)]
guess = st.radio(
    "Which filters should be pruned to lose the least accuracy, without any training?",
    (lesson.RANDOM, lesson.NORM, lesson.CLUSTER), index=None, key="lesson_guess",
)  # fmt: skip

st.header("4. See")
st.button(
    "Prune three times and measure", type="primary", disabled=guess is None, key="lesson_show",
    on_click=lesson.show, args=(target,),
)  # fmt: skip
if guess is None:
    st.caption("Choose an answer first.")
elif lesson.is_shown(target):
    with problems.catch(), st.spinner("Pruning and measuring"):
        lesson.answer(target, guess)

st.header("5. Check yourself")
quiz.quiz()

st.header("Next steps")
st.markdown(
    "Open this network to merge clusters manually, or choose how many filters each layer keeps."
)
with st.container(horizontal=True):
    if st.button("Open in Explore", key="lesson_open"):
        open_network(lesson.MODEL, group=lesson.redundant_group().name)
        st.switch_page("pages/explore.py")
    st.button("Restart the lesson", key="lesson_reset", on_click=lesson.restart)
