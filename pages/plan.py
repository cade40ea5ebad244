"""Plan: how many filters each group keeps, under a target for the MACs."""

import streamlit as st

from sfp_viz.ui import entry, loaders, plan_head, plan_view, problems, state

entry.through("pages/plan.py")

with problems.stopping():
    session = state.session()
    network = loaders.network(session.model)
    asked = plan_view.asked()

if not network.groups:
    st.info("This network has no convolution whose filters could be cut: there is nothing to plan.")
    st.stop()

plan_head.head(network, asked)
budget = loaders.budget(session.model, session.recipe, session.edits)
if budget.after is None:
    plan_head.out_of_reach(network, asked, budget.problem)
    st.stop()

plan_head.reached(network, asked, budget.kept)
suggested = plan_head.suggested(asked) or budget.kept
left, right = st.columns([7, 3], gap="medium")
with left.container(border=True):
    plan_view.body(network, budget.kept, suggested)
with right.container(border=True):
    plan_view.details(network, budget.kept, suggested)
