"""Pruning while training in a real browser: from the form to the plan that it ends in."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress

import pytest
from playwright.sync_api import Page, expect

from sfp_viz.errors import RunError
from sfp_viz.runs.launch.process import cancel
from tests.browser.acting import press, still

BUSY = 240_000  # milliseconds: a worker loads torch first, on a machine that may be busy


@pytest.fixture
def home(workspace):
    """A workspace without runs; what is still at work is stopped at the end, all are removed."""
    yield workspace
    for path in (workspace / "runs").glob("*/"):
        with suppress(RunError):
            cancel(path, wait=10.0)
    shutil.rmtree(workspace / "runs", ignore_errors=True)


def fill(page: Page, label: str, value: str) -> None:
    field = page.get_by_label(label, exact=True)
    expect(field).to_have_count(1)
    field.fill(value)
    field.press("Tab")
    still(page)


def test_a_network_becomes_sparse_on_the_page_and_its_plan_opens(home, page):
    page.goto("/finetune")
    still(page)
    press(page, page.get_by_role("radio", name="While training", exact=True))
    expect(page.get_by_label("Fine-tuning epochs", exact=True)).to_have_count(1)
    still(page)
    fill(page, "Epochs", "4")
    fill(page, "Fine-tuning epochs", "1")
    press(page, page.get_by_role("button", name="Start", exact=True))
    badge = page.locator(".stMarkdownBadge").get_by_text("Finished", exact=True)
    expect(badge).to_have_count(1, timeout=BUSY)
    still(page)
    story = page.locator(".thin")
    expect(story).to_have_attribute("data-moments", re.compile("^[1-9]"))
    expect(story.locator(".when")).to_contain_text("At the end, epoch 4.0 of 4")

    story.locator("svg.story").press("Home")  # the keys go through the moments and the layers
    expect(story.locator(".when")).to_contain_text("Before the first step · 132 of 132 filters")
    story.locator("svg.story").press("ArrowDown")
    expect(story.locator(".when")).to_contain_text("conv1: 20 of 20 filters")
    story.locator("svg.story").press("Escape")
    expect(story.locator(".when")).to_contain_text("At the end")

    press(page, page.get_by_role("button", name="Open as plan"))
    page.wait_for_url(re.compile("/plan"))
    still(page)
    expect(page.get_by_text("sparse training silenced the others").first).to_be_visible()
    expect(page.get_by_text("Pruned filters and why")).to_be_visible()
