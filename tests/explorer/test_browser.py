"""The browser of the tests is the same everywhere, and stays on this machine."""

from __future__ import annotations

from playwright.sync_api import Browser

from tests.support.browser_pages import WatchedPage, require_accessible

_NAMES = "<html lang=en><head><title>Names</title></head><body><main><h1>Names</h1>{}</main></body></html>"


def test_no_name_has_an_address(chromium: Browser) -> None:
    page = chromium.new_page()
    watched = WatchedPage(page)
    page.set_content(_NAMES.format("<p><img src=http://example.com/x.png alt='a picture'></p>"))
    page.close()

    assert [message for message in watched.messages if "ERR_NAME_NOT_RESOLVED" in message]


def test_rules_of_axe_find_a_fault(chromium: Browser) -> None:
    page = chromium.new_page()
    page.set_content(_NAMES.format("<p>fine</p>"))
    require_accessible(page)
    page.set_content(_NAMES.format("<p><button></button></p>"))
    found = ""
    try:
        require_accessible(page)
    except AssertionError as error:
        found = str(error)
    page.close()

    assert "button-name" in found
