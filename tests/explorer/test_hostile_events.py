"""Nothing that a hostile event contains acts in a page, becomes a part of it, or hides from its reader."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.support.browser_pages import WatchedPage, require_inert, width_beyond
from tests.support.explorer_site import ExplorerSite
from tests.support.explorer_trail import ExplorerTrail
from tests.support.hostile_events import SERVICE, HostileEvent, hostile_events

_EVENTS = hostile_events()


@pytest.fixture(scope="module")
def context(explorer: ExplorerSite, chromium: Browser) -> Iterator[BrowserContext]:
    # With scripts: one that came out of an event would run.
    context = explorer.visit(chromium)
    yield context
    context.close()


def _require_inert(context: BrowserContext, explorer: ExplorerSite, address: str) -> None:
    watched = WatchedPage(context.new_page())
    answer = watched.page.goto(address)
    assert answer is not None
    assert answer.ok, (address[:200], answer.status)
    require_inert(watched, origin=explorer.origin)
    watched.page.set_viewport_size({"width": 320, "height": 640})
    assert width_beyond(watched.page) <= 0, address[:200]
    watched.page.close()


@pytest.mark.parametrize("event", _EVENTS, ids=lambda event: event.name.replace(" ", "-"))
def test_event_is_inert(
    context: BrowserContext, explorer: ExplorerSite, trail: ExplorerTrail, event: HostileEvent
) -> None:
    _require_inert(context, explorer, f"/events/{trail.ids[f'hostile {event.name}']}")


def test_lists_and_histories_are_inert(context: BrowserContext, explorer: ExplorerSite) -> None:
    service = urlencode({"service": f"/production/{SERVICE}"})
    _require_inert(context, explorer, f"/search?{service}")
    _require_inert(context, explorer, f"/search?{service}&order=oldest")
    for event in _EVENTS[:5]:
        _require_inert(context, explorer, f"/search?{urlencode({'user': event.user_id})}")
    _require_inert(context, explorer, f"/history/user?{urlencode({'id': _EVENTS[0].user_id})}")


def test_hostile_addresses_are_inert(context: BrowserContext, explorer: ExplorerSite) -> None:
    script = quote("<script>window.hostile=1</script>\u202e\x07", safe="")
    for path in (f"/search?text={script}", f"/search?where={script}", f"/search?{script}=1", f"/events/{script}"):
        watched = WatchedPage(context.new_page())
        watched.page.goto(path)
        watched.messages = [message for message in watched.messages if "status of 4" not in message]
        require_inert(watched, origin=explorer.origin)
        watched.page.close()
