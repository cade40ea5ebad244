"""Gestures on the Explore page that only a real browser can make."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.acting import button, press, still


@pytest.fixture
def explore(page):
    page.goto("/explore")
    expect(page.locator(".map[data-group='conv2']")).to_have_count(1)
    says(page, "0 of 48")
    still(page)
    return page


def says(page, count: str) -> None:
    """The panel of chosen filters, which Python draws, says how many there are."""
    expect(page.locator("p", has_text=re.compile(rf"\b{count}$"))).to_have_count(1)


def chosen(page) -> list[int]:
    text = page.locator(".map").get_attribute("data-sel")
    return [int(unit) for unit in text.split(",")] if text else []


def loop(page, *corners: tuple[float, float]) -> None:
    """Draw a loop through corners given as shares of the canvas."""
    box = page.locator("canvas.points").bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*at[0])
    page.mouse.down()
    for corner in (*at[1:], at[0]):
        page.mouse.move(*corner, steps=5)
    page.mouse.up()


def test_a_link_to_an_inner_page_opens_inside_the_frame(page):
    page.goto("/explore?group=conv1&selection=2.5")
    expect(page.locator(".map[data-group='conv1'][data-sel='2,5']")).to_have_count(1)
    expect(page.get_by_test_id("budget-macs")).to_have_count(1)
    says(page, "2 of 20")


def test_a_loop_chooses_and_the_pictures_the_address_and_the_table_follow(explore):
    loop(explore, (0.02, 0.02), (0.5, 0.02), (0.5, 0.98), (0.02, 0.98))
    units = chosen(explore)
    assert 3 < len(units) < 45
    says(explore, f"{len(units)} of 48")
    expect(explore.locator(f".tiles[data-shown='{len(units)}']")).to_have_count(1)
    explore.wait_for_url(f"**selection={'.'.join(map(str, units))}")
    press(explore, explore.get_by_role("button", name="Clear", exact=True))
    says(explore, "0 of 48")
    expect(explore.locator(".map[data-sel='']")).to_have_count(1)


def test_keys_walk_choose_and_clear(explore):
    explore.locator("canvas.points").focus()
    for key in ("ArrowRight", "ArrowDown", "Enter"):
        explore.keyboard.press(key)
    says(explore, "1 of 48")
    explore.keyboard.press("Escape")
    says(explore, "0 of 48")


def test_the_same_filters_can_be_chosen_again_after_they_were_cleared(explore):
    for _ in range(2):
        press(explore, explore.locator(".legend button").first)
        expect(explore.locator(".map:not([data-sel=''])")).to_have_count(1)
        says(explore, f"{len(chosen(explore))} of 48")
        press(explore, explore.get_by_role("button", name="Clear", exact=True))
        says(explore, "0 of 48")


def test_pointing_at_a_filter_shows_its_kernels_without_asking_the_server(explore):
    canvas = explore.locator("canvas.points")
    calls = explore.locator(".map").get_attribute("data-calls")
    canvas.focus()
    explore.keyboard.press("ArrowUp")
    expect(explore.locator(".card b")).to_contain_text("Filter")
    size = explore.locator(".card canvas").evaluate("c => [c.width, c.height]")
    assert min(size) > 20
    assert explore.locator(".map").get_attribute("data-calls") == calls


def test_merging_is_undone_and_redone_at_once_and_by_keys(explore):
    menu = explore.get_by_role("button", name=re.compile(r"^\d+ clusters"))
    expect(menu).to_have_count(1)
    number = re.search(r"(\d+) clusters", menu.inner_text())  # its icon is a word to Playwright
    assert number
    before = int(number[1])
    press(explore, explore.locator(".legend button").nth(0))
    expect(explore.locator(".map:not([data-sel=''])")).to_have_count(1)
    first = len(chosen(explore))
    says(explore, f"{first} of 48")
    still(explore)
    explore.locator(".legend button").nth(1).click(modifiers=["Shift"])
    expect(explore.locator("p", has_text=re.compile(rf"\b{first} of 48$"))).to_have_count(0)
    says(explore, f"{len(chosen(explore))} of 48")
    whole, merged = f"{before} clusters", f"{before - 1} clusters"
    press(explore, button(explore, "Merge"))
    expect(button(explore, merged)).to_have_count(1)
    press(explore, button(explore, "Undo"))
    expect(button(explore, whole)).to_have_count(1)
    press(explore, button(explore, "Redo"))
    expect(button(explore, merged)).to_have_count(1)
    still(explore)
    explore.keyboard.press("Control+z")
    expect(button(explore, whole)).to_have_count(1)


def test_a_click_in_the_strip_shows_another_layer(explore):
    press(explore, explore.get_by_test_id("layer-conv1"))
    expect(explore.locator(".map[data-group='conv1']")).to_have_count(1)
    says(explore, "0 of 20")


def test_on_a_phone_a_finger_scrolls_past_the_map_and_no_keys_are_named(explore):
    expect(explore.locator("canvas.points")).to_have_css("touch-action", "pan-y")
    keys = explore.locator(".st-key-undo kbd")
    expect(keys).to_be_visible()
    explore.set_viewport_size({"width": 420, "height": 900})
    expect(keys).to_be_hidden()
    expect(explore.get_by_role("button", name="Undo")).to_be_visible()


def test_pointing_at_a_neuron_shows_the_maps_it_reads(page):
    page.goto("/explore?group=fc1")
    expect(page.locator(".map[data-group='fc1']")).to_have_count(1)
    still(page)
    page.locator("canvas.points").focus()
    page.keyboard.press("ArrowRight")
    picture = page.locator(".map .card canvas")
    expect(picture).to_be_visible()
    shape = picture.evaluate("canvas => [canvas.width, canvas.height]")
    assert shape[0] == shape[1] == 4 * 2 * 12 + 3 * 4  # 4 x 4 maps of 2 x 2 fields, and gaps
