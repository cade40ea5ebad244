"""How browser tests act: wait for the app to be still, and for the one thing to click.

While a page is drawn anew its old parts stand beside the new ones for a moment, so whatever is
clicked is first waited for to be there once.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Locator, Page, expect

STILL = '[data-testid="stApp"][data-test-script-state="notRunning"]'


def still(page: Page) -> None:
    """Wait until the app has drawn what was asked of it; it must have shown no exception."""
    expect(page.locator(STILL)).to_have_count(1)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def press(page: Page, found: Locator) -> None:
    """Click the one thing that ``found`` is, once nothing is being drawn."""
    still(page)
    expect(found).to_have_count(1)
    found.click()


def button(page: Page, name: str) -> Locator:
    """The button whose name begins with ``name``."""
    return page.get_by_role("button", name=re.compile(f"^{re.escape(name)}"))


def go(page: Page, title: str) -> None:
    """Go to a page by the bar of pages, and wait for it."""
    still(page)
    page.get_by_role("link", name=title, exact=True).first.click()
    page.wait_for_url(re.compile(rf"/{title.lower().replace('-', '')}(\?|$)"))
    still(page)


def asked(page: Page) -> str:
    """What the address says of the plan: it changes with each step, once Python has taken it."""
    return _plan_in(page.url)


def _plan_in(url: str) -> str:
    query = parse_qs(urlsplit(url).query)
    return "".join(query.get("plan", query.get("asked", query.get("target", [""]))))


def until_asked(page: Page, wanted: str, *, other: bool = False) -> None:
    """Wait until the address speaks of the plan ``wanted``, or with ``other`` of another one."""

    def arrived(url: str) -> bool:
        return (_plan_in(url) != wanted) if other else (_plan_in(url) == wanted)

    page.wait_for_url(arrived)


def narrow(page: Page, group: str) -> str:
    """Take one filter from ``group`` on the page Plan; what the address says of the plan then."""
    before = asked(page)
    edge = page.get_by_role("slider", name=f"Filters kept in {group}")
    still(page)
    expect(edge).to_have_count(1)
    kept = int(edge.get_attribute("aria-valuenow") or 0)
    edge.press("ArrowLeft")
    expect(edge).to_have_attribute("aria-valuenow", str(kept - 1))
    until_asked(page, before, other=True)
    return asked(page)
