"""The keys of Undo: the plan's everywhere but in a text field, where they are the text's own."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.acting import asked, button, narrow, press, still, until_asked


def test_undo_by_keys_in_a_text_field_takes_back_the_text_and_elsewhere_the_plan(page: Page):
    page.goto("/plan")
    still(page)
    first = asked(page)
    plan = narrow(page, "conv2")
    assert plan != first
    press(page, button(page, "Steps"))
    field = page.get_by_role("textbox", name="Name of this step")
    expect(field).to_have_count(1)
    field.press_sequentially("thin")
    expect(field).to_have_value("thin")
    page.keyboard.press("Control+z")
    expect(field).not_to_have_value("thin")
    still(page)
    assert asked(page) == plan

    page.keyboard.press("Escape")
    expect(field).to_have_count(0)
    still(page)
    page.keyboard.press("Control+z")
    until_asked(page, first)
