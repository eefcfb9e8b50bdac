"""Builds links to events and histories out of texts that an attacker may have chosen."""

from __future__ import annotations

import re

from telemetry.pages.addresses import own_url

_PLAIN = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._~:@+-]{1,200}", re.ASCII)
"""What is one segment of a path for every browser and proxy; anything else goes into the query."""


def event_url(event_id: str) -> str:
    """Return the address of an event."""
    return own_url("/events", event_id) if _is_plain(event_id) else own_url("/event", id=event_id)


def user_url(user_id: str) -> str:
    """Return the address of a user's history."""
    if _is_plain(user_id):
        return own_url("/history/user", user_id)
    return own_url("/history/user", id=user_id)


def entity_url(kind: str, entity_id: str | None) -> str:
    """Return the address of the history of a thing, or of all things of a kind."""
    if entity_id and _is_plain(kind) and _is_plain(entity_id):
        return own_url("/history/entity", kind, entity_id)
    return own_url("/history/entity", kind=kind, id=entity_id)


def _is_plain(text: str) -> bool:
    return _PLAIN.fullmatch(text) is not None
