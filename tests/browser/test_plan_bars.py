"""The bars of the page Plan, dragged and moved by keys in a real browser."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.acting import button, press, still

NUMBERS = re.compile(r"keeps (\d+) of (\d+) filters")

# A key held down for two steps; presses from here may lie too far apart on a busy machine.
HELD_DOWN = """edge => [1, 2].forEach(() =>
    edge.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' })))"""


def kept(page: Page, group: str) -> int:
    edge = page.get_by_role("slider", name=f"Filters kept in {group}")
    found = NUMBERS.match(edge.get_attribute("aria-valuetext") or "")
    assert found
    return int(found[1])


def test_dragging_a_bar_changes_its_filters_and_the_macs_and_can_be_undone(page: Page):
    page.goto("/plan")
    edge = page.get_by_role("slider", name="Filters kept in conv2")
    expect(edge).to_have_count(1)
    still(page)
    macs = page.get_by_test_id("budget-macs")
    before, words = kept(page, "conv2"), macs.inner_text()
    box = edge.bounding_box()
    assert box
    page.mouse.move(box["x"] + 4, box["y"] + 8)
    page.mouse.down()
    page.mouse.move(box["x"] - 80, box["y"] + 8, steps=4)
    page.mouse.up()
    expect(macs).not_to_have_text(words)
    after = kept(page, "conv2")
    assert 1 <= after < before

    words_after = macs.inner_text()
    edge.evaluate(HELD_DOWN)  # two presses, one message
    expect(edge).to_have_attribute("aria-valuenow", str(after + 2))
    expect(macs).not_to_have_text(words_after)
    press(page, button(page, "Undo"))
    expect(edge).to_have_attribute("aria-valuenow", str(after))
    press(page, button(page, "Undo"))
    expect(edge).to_have_attribute("aria-valuenow", str(before))
    expect(macs).to_have_text(words)


def test_a_name_shows_why_and_a_locked_group_no_longer_moves(page: Page):
    page.goto("/plan")
    press(page, page.get_by_role("button", name="conv1: show explanation"))
    expect(page.get_by_role("heading", name="conv1")).to_have_count(1)
    press(page, page.get_by_text("Do not prune"))
    expect(page.get_by_text("Not pruned: you set 'Do not prune'.")).to_have_count(1)
    expect(page.get_by_role("slider", name="Filters kept in conv1")).to_have_count(0)


def test_layers_tied_by_an_addition_move_along_as_ghosts_with_the_reason(page: Page):
    page.goto("/plan?model=resnet20_cifar10")
    edge = page.get_by_role("slider", name="Filters kept in layer2.0.conv2")
    ghosts = page.locator(".ghost", has_text="residual add with layer2.0.conv2")
    expect(ghosts).to_have_count(3)
    expect(ghosts.nth(0)).to_contain_text("layer2.0.shortcut.0")
    edge.press("ArrowLeft")
    expect(ghosts.locator(".kept")).to_have_text(["32 → 31"] * 3)
    edge.press("Home")
    expect(edge).to_have_attribute("aria-valuenow", "1")
    expect(ghosts.locator(".kept")).to_have_text(["32 → 1"] * 3)
    edge.press("End")
    expect(ghosts.locator(".kept")).to_have_text(["32"] * 3)
    shown = ghosts.nth(0).locator(".shade").bounding_box()
    track = ghosts.nth(0).locator(".outline").bounding_box()
    assert shown
    assert track
    assert abs(shown["width"] - track["width"]) <= 1


def test_marks_show_what_another_allocation_keeps_and_taking_it_is_one_step(page: Page):
    page.goto("/plan")
    row = page.locator(".row", has=page.get_by_role("slider", name="Filters kept in conv2"))
    mark = row.locator(".other[data-strategy=uniform]")
    expect(mark).to_have_count(1)
    edge = page.get_by_role("slider", name="Filters kept in conv2")
    words = edge.get_attribute("aria-valuetext") or ""
    found = re.search(r"uniform (\d+)", words)
    assert found
    number = page.locator(".strategy", has_text="Uniform").locator(".number")
    expect(number).to_have_text(found[1])  # conv2 is the group on the screen
    other = page.get_by_role("slider", name="Filters kept in fc1")
    fc1 = re.search(r"uniform (\d+)", other.get_attribute("aria-valuetext") or "")
    assert fc1
    other.focus()
    expect(number).to_have_text(fc1[1])
    box, track = mark.bounding_box(), row.locator(".track").bounding_box()
    assert box
    assert track
    share = (box["x"] + box["width"] / 2 - track["x"]) / track["width"]
    assert abs(share - int(found[1]) / 48) < 0.02

    before = kept(page, "conv2")
    press(page, page.get_by_role("button", name="Use: uniform"))
    expect(page.locator(".strategy.used")).to_contain_text("Uniform")
    expect(edge).to_have_attribute("aria-valuenow", found[1])
    expect(row.locator(".other[data-strategy=dispersion]")).to_have_count(1)
    press(page, button(page, "Undo"))
    expect(page.locator(".strategy.used")).to_contain_text("By Kernel Dispersion")
    expect(edge).to_have_attribute("aria-valuenow", str(before))


def test_marks_are_hidden_by_their_name_in_the_legend(page: Page):
    page.goto("/plan")
    toggle = page.get_by_role("button", name=re.compile("^Uniform"))
    press(page, toggle)
    expect(toggle).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".other[data-strategy=uniform]")).to_have_count(0)
    press(page, toggle)
    expect(page.locator(".other[data-strategy=uniform]")).to_have_count(3)
