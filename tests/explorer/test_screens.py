"""Every screen can be used by everybody, in every window, and does nothing that its policy forbids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from tests.support.browser_pages import WatchedPage, require_accessible, require_quiet, width_beyond
from tests.support.explorer_screens import SCREENS, addresses
from tests.support.explorer_site import ExplorerSite
from tests.support.explorer_trail import ExplorerTrail

_NARROW: ViewportSize = {"width": 320, "height": 640}
_REFUSED = ("Failed to load resource: the server responded with a status of 4",)
"""What the console says of a page that is an error page on purpose."""
_FOCUSED = """() => {
  const element = document.activeElement;
  return (element.labels?.[0] ?? element).textContent.trim();
}"""


@pytest.fixture(scope="module", params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> Literal["light", "dark"]:
    chosen: Literal["light", "dark"] = request.param
    return chosen


@pytest.fixture(scope="module")
def context(explorer: ExplorerSite, chromium: Browser, scheme: str) -> Iterator[BrowserContext]:
    context = explorer.visit(chromium, color_scheme=scheme)
    yield context
    context.close()


def _tab_to(page: Page, name: str) -> None:
    """Press Tab until something of this name has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(_FOCUSED) == name:
            return
    message = f"nothing named {name!r} can be reached with Tab"
    raise AssertionError(message)


@pytest.mark.parametrize("screen", SCREENS)
def test_screen_is_accessible_and_quiet(
    context: BrowserContext, explorer: ExplorerSite, trail: ExplorerTrail, scheme: str, screen: str
) -> None:
    watched = WatchedPage(context.new_page())
    answer = watched.page.goto(addresses(trail.ids)[screen])

    assert answer is not None
    assert answer.ok or screen in {"not-found", "search-wrong"}, answer.status
    require_accessible(watched.page)
    require_quiet(watched, origin=explorer.origin, expected=_REFUSED)
    watched.page.set_viewport_size(_NARROW)
    assert width_beyond(watched.page) <= 0
    if scheme == "light":  # what is arranged otherwise has the same colours
        require_accessible(watched.page)
    watched.page.close()


def test_whole_task_with_the_keyboard(explorer: ExplorerSite, chromium: Browser) -> None:
    context = explorer.visit(chromium)
    page = context.new_page()
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    _tab_to(page, "Search")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    _tab_to(page, "Entity")
    page.keyboard.type("order/77")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    while not page.evaluate("() => document.activeElement.matches('a.row')"):
        page.keyboard.press("Tab")
    with page.expect_navigation():
        page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_contain_text("order 77")
    context.close()


def test_page_is_printed_without_navigation(explorer: ExplorerSite, chromium: Browser, trail: ExplorerTrail) -> None:
    context = explorer.visit(chromium)
    page = context.new_page()
    page.goto(addresses(trail.ids)["event"])
    page.emulate_media(media="print")
    printed = page.pdf(format="A4")

    assert printed.startswith(b"%PDF-")
    assert page.get_by_role("navigation", name="Main").is_hidden()
    assert page.get_by_role("heading", level=1).is_visible()
    context.close()


def test_forced_colours_and_large_text(explorer: ExplorerSite, chromium: Browser, trail: ExplorerTrail) -> None:
    # Twice the text in 640 pixels is what a person with low vision sees of a window of 1,280 at 400 %.
    context = explorer.visit(chromium, forced_colors="active", viewport={"width": 640, "height": 640})
    page = context.new_page()
    page.goto(addresses(trail.ids)["event"])
    page.evaluate("() => document.documentElement.style.setProperty('font-size', '200%')")

    assert width_beyond(page) <= 0
    context.close()
