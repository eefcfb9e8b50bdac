"""Builds the only links that a page has: paths of its own, in which texts from events are escaped parts."""

from __future__ import annotations

from urllib.parse import quote, urlencode


def own_url(path: str, *parts: str, **query: object) -> str:
    """Return a link within the site.

    Args:
        path: Fixed start such as ``/events``; never a text from outside.
        parts: Further segments. Their slashes are escaped, so each stays one segment.
        query: Values of the query; None and empty ones are left out, a list repeats its name, a trailing ``_`` is removed.

    Raises:
        ValueError: The path is not one of the site.
    """
    # Two slashes, or a backslash, at the start would name another host.
    if not path.startswith("/") or path[1:2] in ("/", "\\"):
        message = "a link within the site starts with one slash"
        raise ValueError(message)
    # Empty parts must not bring two slashes to the start again.
    whole = f"/{'/'.join((path.strip('/'), *map(_segment, parts))).lstrip('/')}"
    pairs = [(name.removesuffix("_"), value) for name, value in query.items() if value not in (None, "")]
    encoded = urlencode(pairs, doseq=True, quote_via=quote, safe="", encoding="utf-8", errors="replace")
    return f"{whole}?{encoded}" if encoded else whole


def _segment(part: str) -> str:
    # Browsers resolve the segments "." and "..", escaped or not: such an id can only be reached by the query.
    return quote(part, safe="", encoding="utf-8", errors="replace")
