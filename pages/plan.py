"""Plan: how many filters each group keeps to meet a target, and what the plan costs."""

import streamlit as st

from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders, planned
from sfp_viz.ui.network import bare
from sfp_viz.ui.plan import bars, details, evidence_panel, goal_form, trust_panel
from sfp_viz.ui.plan import cost as plan_cost
from sfp_viz.ui.plan import details as plan_details
from sfp_viz.ui.plan import explanation as plan_why
from sfp_viz.ui.plan import head as plan_head
from sfp_viz.ui.recipe import actions
from sfp_viz.ui.session import entry, state
from sfp_viz.ui.studies import image_offer, study_start

entry.enter_through_app("pages/plan.py")

with problems.catch_and_stop():
    session = state.session()
    network = loaders.network(session.model)
    image_offer.apply_finished(network)
    request = actions.current_request()

bare.stop_if_bare(network)
if not network.groups:
    st.info("This network has no layer whose filters can be pruned, so there is nothing to plan.")
    st.stop()

plan_head.head(network, request)
if evidence_panel.request_missing(network, request.recipe):
    study_start.start_requested(network)
    st.stop()
budget = planned.cost(session.model, session.request)
if budget.after is None:
    goal_form.out_of_reach(network, request, budget.problem)
    study_start.start_requested(network)
    st.stop()

with problems.catch_and_stop():
    widths = plan_head.widths(network, request, budget)
    plan_head.target_summary(network, request, widths)
    image_offer.offer(network, request)
    plan_cost.costs(network, budget)
bars.narrow_style()
with st.container(key=bars.SIDES):
    left, right = st.columns([7, 4], gap="medium")
with left.container(border=True), problems.catch():
    bars.body(network, widths)
with right.container(border=True), problems.catch():
    plan_details.details(network, widths)
    plan_why.width_reason(network, request, widths)
    evidence_panel.curve(widths)
    details.filters(network)
with left, problems.catch():
    evidence_panel.panel(network, widths)
    trust_panel.panel(network, request)
study_start.start_requested(network)
