"""Recognizes an object that is no event but the wrapper in which a service delivers a list of events."""

from __future__ import annotations

from typing import Any

LIST_NAMES = frozenset(
    ("Records", "records", "items", "Items", "value", "events", "Events", "entries", "results", "logs", "data")
)
"""Names under which services deliver lists: CloudTrail, Azure, Kubernetes, Microsoft Graph, Google and others."""

_BESIDE = frozenset(
    (
        *("kind", "apiVersion", "metadata", "etag", "id", "selfLink"),  # Kubernetes, Google
        *("nextPageToken", "nextLink", "next", "next_cursor", "cursor", "has_more", "response_metadata", "ok"),
        *("NextToken", "ResponseMetadata", "total", "count", "page", "limit", "links", "meta", "status"),
    )
)
"""What else such an object has: a kind, a place to go on from, a count."""


def wrapped_list(value: Any) -> str | None:
    """Return the name of the list in a wrapper; None for anything else.

    An event can have a list of objects too, such as the items of an order. So everything beside the list must be what
    only wrappers have.

    Args:
        value: A decoded line.
    """
    if not isinstance(value, dict) or LIST_NAMES.isdisjoint(value):
        return None
    # Alone, an empty list is the file of a quiet hour.
    lists = (
        list(value)
        if list(value.values()) == [[]]
        else [name for name, member in value.items() if _is_list_of_objects(member)]
    )
    if len(lists) != 1 or lists[0] not in LIST_NAMES:
        return None
    others = (name for name in value if name != lists[0])
    return lists[0] if all(name in _BESIDE or name.startswith("@odata.") for name in others) else None


def _is_list_of_objects(member: Any) -> bool:
    return isinstance(member, list) and bool(member) and all(isinstance(item, dict) for item in member)
