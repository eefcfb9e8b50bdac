"""Lists every screen of the explorer, with an address at which it has something to show."""

from __future__ import annotations

from collections.abc import Mapping

SCREENS: Mapping[str, str] = {
    "overview": "/",
    "search": "/search?type=order_*&since=7d",
    "search-empty": "/search?user=nobody",
    "search-wrong": "/search?since=yesterday&where=((",
    "event": "/events/{changed}",
    "event-not-sealed": "/events/{clear}",
    "history-entity": "/history/entity/order/77",
    "history-user": "/history/user/bob",
    "verification": "/verification",
    "basket": "/basket",
    "access": "/access",
    "reason": "/reason",
    "settings": "/settings",
    "not-found": "/events/0198c0de-0000-7000-8000-000000000001",
}
"""Addresses by the name of the screen."""


def addresses(ids: Mapping[str, str]) -> dict[str, str]:
    """Return the address of each screen.

    Args:
        ids: Ids of events, as the trail names them.
    """
    known = {"changed": ids["order_changed 77 success"], "clear": ids["not sealed"]}
    return {name: path.format(**known) for name, path in SCREENS.items()}
