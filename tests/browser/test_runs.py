"""Runs in a real browser: start, refresh, re-attach, pause, resume, cancel; two tabs; overlays."""

from __future__ import annotations

import os
import re
import shutil
import signal
from contextlib import suppress

import pytest
from playwright.sync_api import Page, expect

from sfp_viz.errors import RunError
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.launch.process import cancel
from tests.browser.acting import button, press, still
from tests.browser.fake_runs import stopped, trained


@pytest.fixture
def home(workspace):
    """A workspace without runs; what is still at work is stopped at the end, all are removed."""
    shutil.rmtree(workspace / "runs", ignore_errors=True)  # those of earlier tests
    yield workspace
    for path in (workspace / "runs").glob("*/"):
        with suppress(RunError):
            cancel(path, wait=10.0)
    shutil.rmtree(workspace / "runs", ignore_errors=True)


BUSY = 180_000  # milliseconds: a worker loads torch first, on a machine that may be busy


def says(page: Page, state: str) -> None:
    """The run that is watched is in this state: the one badge of the page says so."""
    badge = page.locator(".stMarkdownBadge").get_by_text(state, exact=True)
    expect(badge).to_have_count(1, timeout=BUSY)


def epochs(page: Page, *, more_than: int = 0) -> int:
    """Epochs on the charts, once there are ``more_than`` so many of the only run drawn."""
    wanted = re.compile(f"^({'|'.join(str(n) for n in range(more_than + 1, more_than + 1000))})$")
    lines = page.locator(".lines")
    expect(lines).to_have_attribute("data-epochs", wanted, timeout=BUSY)
    return int(lines.get_attribute("data-epochs") or 0)


def start(page: Page, count: int) -> None:
    """Start a run of so many epochs from the form, which opens by itself without runs."""
    page.goto("/finetune")
    still(page)
    field = page.get_by_label("Epochs", exact=True)
    expect(field).to_have_count(1)
    field.fill(str(count))
    field.press("Tab")
    press(page, page.get_by_role("button", name="Start", exact=True))


def tick(page: Page, row: int) -> None:
    """Click the box of a row of the list, which is one canvas to a browser."""
    still(page)
    canvas = page.get_by_test_id("stDataFrame").locator("canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box
    page.mouse.click(box["x"] + 16, box["y"] + 46 + 30 * row)


def test_a_run_outlives_its_tab_and_two_tabs_pause_resume_and_cancel_it(page, elsewhere, home):
    start(page, 1000)
    says(page, "Running")
    seen = epochs(page)
    (path,) = (home / "runs").glob("[!.]*/")

    page.reload()  # it is found again by itself
    says(page, "Running")
    assert epochs(page, more_than=seen) > seen
    other = elsewhere()
    other.goto("/finetune")
    says(other, "Running")

    button(other, "Pause").click()
    for tab in (page, other):
        says(tab, "Paused")
        expect(button(tab, "Resume")).to_have_count(1)
    done = len(read_run(path).epochs)
    for tab in (page, other):  # the chart may come a moment after the badge
        expect(tab.locator(".lines")).to_have_attribute("data-epochs", str(done), timeout=BUSY)

    press(page, button(page, "Resume"))
    says(page, "Running")
    epochs(page, more_than=done)
    other.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # it comes to the front
    says(other, "Running")

    button(page, "Cancel").click()
    for tab in (page, other):
        says(tab, "Cancelled")
    assert read_run(path).over
    still(page)
    expect(button(page, "Delete")).to_have_count(1)


def test_a_killed_worker_is_seen_at_once_and_resume_goes_on(page, home):
    start(page, 1000)
    says(page, "Running")
    epochs(page)
    (path,) = (home / "runs").glob("[!.]*/")
    worker = re.search(r'"pid": (\d+)', (path / "worker.json").read_text())
    assert worker
    os.kill(int(worker[1]), signal.SIGKILL)
    says(page, "Worker lost")
    expect(page.get_by_text(re.compile("worker died or was killed"))).to_have_count(1)
    done = len(read_run(path).epochs)
    press(page, button(page, "Resume"))
    says(page, "Running")
    epochs(page, more_than=done)


def test_rows_of_the_list_are_drawn_over_each_other_and_one_epoch_is_read_off_all(page, home):
    trained(home, "first", [0.80, 0.95, 0.90])
    trained(home, "second", [0.70, 0.75, 0.85, 0.88], learning_rate=0.3)
    trained(home, "third", [0.60, 0.65, 0.66], kind="uniform")
    page.goto("/finetune")
    lines = page.locator(".lines")
    expect(lines).to_have_attribute("data-epochs", "3")  # the newest
    for row, drawn in ((1, "4,3"), (2, "3,3,4")):  # the one chosen last is watched
        tick(page, row)
        expect(lines).to_have_attribute("data-epochs", drawn)
    table = page.locator("table.read")
    expect(table.locator("tbody tr")).to_have_count(3)
    expect(table).to_contain_text("learning rate 0.3")

    page.locator(".lines > svg").press("Home")
    page.locator(".lines > svg").press("ArrowRight")
    page.locator(".lines > svg").press("ArrowRight")
    expect(table.locator("th").first).to_have_text("After epoch 2")
    for value in ("95.0", "75.0", "65.0"):
        expect(table.get_by_text(value, exact=True)).to_have_count(1)
    expect(table).to_contain_text("95.0 at 2")
    expect(page.locator(".refline")).to_have_count(2)
    expect(page.locator("text.ref", has_text="uniform L1 after 3 epochs 66.0")).to_have_count(1)

    expect(page).to_have_url(re.compile(r"[?&]runs=[^&]+\.[^&]+\.[^&]+"))  # the choice stands there
    page.reload()
    expect(page.locator("table.read tbody tr")).to_have_count(3)


def test_after_too_little_memory_the_page_offers_half_the_batch(page, home):
    told = "There was not enough memory for a batch size of 64."
    stopped(home, "big", outcome="failed", message=told, trouble="memory")
    page.goto("/finetune")
    says(page, "Failed")
    expect(page.get_by_text(told)).to_have_count(1)
    press(page, button(page, "Restart with batch size 32"))
    says(page, "Running")
    copies = [read_run(path) for path in (home / "runs").glob("*/")]
    assert sorted(run.settings.batch_size for run in copies) == [32, 64]
