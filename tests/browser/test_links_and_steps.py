"""Links, undo and redo, the tree of steps, and two people at once, in a real browser."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from tests.browser.acting import asked, button, go, narrow, press, still, until_asked


def macs(page: Page):
    return page.get_by_test_id("budget-macs")


def test_a_copied_link_shows_the_same_layer_plan_and_selection_elsewhere(page, elsewhere):
    page.goto("/plan")
    plan = narrow(page, "conv2")
    go(page, "Explore")
    press(page, page.get_by_test_id("layer-conv1"))
    expect(page.locator(".map[data-group='conv1']")).to_have_count(1)
    press(page, page.locator(".legend button").first)
    expect(page.locator("p", has_text=re.compile(r"Selected\s+[1-9]\d* of 20"))).to_be_visible()
    press(page, page.get_by_role("radiogroup", name="Map").get_by_text("PCA", exact=True))
    page.wait_for_url("**view=map-PCA**")
    still(page)
    chosen = page.locator(".map").get_attribute("data-sel")
    assert chosen

    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    press(page, button(page, "Copy link"))
    link = page.get_by_label("Copy this link").input_value()
    found = parse_qs(urlsplit(link).query)
    assert found["plan"] == [plan]
    assert found["group"] == ["conv1"]
    assert "line" not in found, "the way to the plan is nobody else's"

    other = elsewhere()
    other.goto(link)
    expect(other.locator(f".map[data-group='conv1'][data-sel='{chosen}']")).to_have_count(1)
    expect(other.get_by_role("radio", name="PCA")).to_be_checked()
    expect(macs(other)).to_have_text(macs(page).inner_text())
    expect(button(other, "Undo")).to_be_disabled()
    assert asked(other) == plan


def test_a_hostile_link_shows_the_sample_without_an_error(page):
    page.goto(
        "/explore?model=../../etc/passwd&group=<script>&layer=%00&selection=1.x.99999999&target=nan"
        "&asked=../../x&view=map-<b>.zzz-1&line=../../x"
    )
    expect(page.locator(".map[data-sel='']")).to_have_count(1)
    still(page)
    expect(page.get_by_role("heading", name="LeNet-5-like on digits")).to_be_visible()


def test_two_people_on_one_network_do_not_see_each_others_edits(page, elsewhere):
    page.goto("/plan")
    other = elsewhere()
    other.goto("/plan")
    still(other)
    untouched = macs(other).inner_text()
    mine = narrow(page, "conv2")
    theirs = narrow(other, "conv1")
    assert mine != theirs
    press(other, button(other, "Undo"))
    until_asked(other, "")
    expect(macs(other)).to_have_text(untouched)
    expect(button(other, "Undo")).to_be_disabled()
    assert asked(page) == mine
    press(other, button(other, "Steps"))
    expect(other.locator(".rows button")).to_have_count(2)
    press(page, button(page, "Steps"))
    expect(page.locator(".rows button")).to_have_count(2)
    expect(page.locator(".rows button").nth(1)).to_contain_text("conv2")
    expect(other.locator(".rows button").nth(1)).to_contain_text("conv1")


def hashes(page: Page) -> str:
    """The hashes of the plan before the last step and of the plan now, as Compare says them."""
    go(page, "Compare")
    press(page, page.get_by_text("Plans", exact=True))
    said = page.get_by_text(re.compile(r"^A is plan \w+, B is plan \w+\.$"))
    expect(said).to_have_count(1)
    return said.inner_text()


def test_as_many_redos_as_undos_lead_back_to_the_same_plan(page):
    page.goto("/plan")
    still(page)
    names = [asked(page)]
    for _ in range(4):
        names.append(narrow(page, "conv2"))
    assert len(set(names)) == 5
    made = hashes(page)
    go(page, "Plan")
    for name in reversed(names[:-1]):
        press(page, button(page, "Undo"))
        until_asked(page, name)
    still(page)
    expect(button(page, "Undo")).to_be_disabled()
    for name in names[1:]:
        press(page, button(page, "Redo"))
        until_asked(page, name)
    still(page)
    expect(button(page, "Redo")).to_be_disabled()
    assert hashes(page) == made


def test_the_tree_keeps_an_undone_step_as_a_branch_and_survives_a_reload(page):
    page.goto("/plan")
    still(page)
    undone = narrow(page, "conv2")
    press(page, button(page, "Undo"))
    until_asked(page, "")
    other_way = narrow(page, "conv1")
    press(page, button(page, "Steps"))
    rows = page.locator(".rows button")
    expect(rows).to_have_count(3)
    expect(rows.nth(2)).to_have_attribute("aria-current", "step")
    name = page.get_by_label("Name of this step")
    expect(name).to_have_count(1)
    name.fill("A")
    name.press("Enter")
    expect(rows.nth(2).locator("b")).to_have_text("A")
    press(page, rows.nth(1))
    until_asked(page, undone)
    press(page, button(page, "Undo"))
    until_asked(page, other_way)
    page.wait_for_url("**line=**")
    still(page)

    page.reload()
    still(page)
    press(page, button(page, "Steps"))
    expect(rows).to_have_count(3)
    expect(rows.nth(2).locator("b")).to_have_text("A")
    press(page, button(page, "Undo"))
    until_asked(page, "")


def test_two_plans_are_compared_and_one_of_them_is_gone_on_with(page):
    page.goto("/plan")
    still(page)
    before = macs(page).inner_text()
    narrow(page, "conv2")
    hashes(page)
    expect(page.get_by_role("heading", name="Groups pruned differently")).to_have_count(1)
    press(page, button(page, "Continue with A"))
    until_asked(page, "")
    expect(macs(page)).to_have_text(before)
    press(page, button(page, "Undo"))
    expect(macs(page)).not_to_have_text(before)
