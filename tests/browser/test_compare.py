"""A click on a point of the Compare page's chart opens its plan, and back."""

from __future__ import annotations

import pytest

from sfp_viz.core.plan.recipe import fpgm
from tests.browser.acting import asked, button, go, press, still, until_asked
from tests.finished_runs import finished_run, plan_of

MODEL = "resnet20_cifar10"
POINT = ".js-plotly-plot .scatterlayer .trace .points .point"


@pytest.fixture
def run(workspace):
    """A finished run of a network that no other test trains."""
    plan = plan_of(fpgm(0.3), model=MODEL)
    return finished_run(workspace, plan=plan, model=MODEL, data="cifar10", accuracies=(0.8, 0.9),
                        macs=30_000_000, params=200_000)  # fmt: skip


def test_a_click_on_a_point_opens_its_plan_and_undo_goes_back(page, run):
    from playwright.sync_api import expect

    page.goto(f"/compare?model={MODEL}")
    expect(page.locator(POINT)).to_have_count(2)  # the run and the unpruned network
    still(page)
    box = page.locator(POINT).first.bounding_box()
    assert box is not None
    before = asked(page)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.get_by_test_id("stMetric").filter(has_text="Best epoch")).to_have_count(1)
    press(page, button(page, "Open plan"))
    page.wait_for_url("**/plan?*")
    until_asked(page, before, other=True)
    press(page, button(page, "Undo"))
    until_asked(page, before)


def test_published_results_stand_in_the_link_and_come_back_with_it(page, run):
    from playwright.sync_api import expect

    page.goto(f"/compare?model={MODEL}&view=published-On")
    still(page)
    change = page.get_by_text("The vertical axis now shows the accuracy change")
    expect(change).to_have_count(1)
    expect(page.locator(".js-plotly-plot .ytitle")).to_contain_text("accuracy change")
    go(page, "Export")
    go(page, "Compare")
    expect(change).to_have_count(1)
