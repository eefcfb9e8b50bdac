"""Gathers the ids of all events that a search finds, for the basket."""

from __future__ import annotations

from collections.abc import Iterator

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.explorer.index.event_index import EventIndex
from telemetry.explorer.index.row import Row
from telemetry.explorer.index.search import Search

PAGE_ROWS = 1_000


def count_found(index: EventIndex, search: Search, *, with_content: bool) -> int:
    """Return how many rows a search finds.

    Raises:
        ConfigurationError: It finds none, the index is still being filled, or it takes too long to look at every row.
    """
    if index.state.is_filling:
        reason = "would find only what was read so far, because the trail is still being read"
        raise ConfigurationError(Problem("search", reason, "try again when the banner about it is gone"))
    found = index.search(search, with_content=with_content, limit=1)
    _require_whole(is_partial=found.is_partial)
    if not found.total:
        raise ConfigurationError(Problem("search", "finds no event", "search for something else"))
    return found.total


def found_rows(index: EventIndex, search: Search, *, with_content: bool, most: int) -> Iterator[list[Row]]:
    """Yield the rows that a search finds, a page at a time.

    Args:
        index: The events.
        search: The search.
        with_content: Whether the person may see content.
        most: How many rows at most: what arrives meanwhile is not among them.

    Raises:
        ConfigurationError: It takes too long to look at all of them.
    """
    after, left = None, most
    while left > 0:
        found = index.search(search, with_content=with_content, after=after, limit=min(PAGE_ROWS, left))
        _require_whole(is_partial=found.is_partial)
        if found.rows:
            yield found.rows
        left -= len(found.rows)
        after = found.next
        if after is None:
            return


def found_ids(index: EventIndex, search: Search, *, with_content: bool, most: int) -> list[str]:
    """Return the ids of what a search finds, each once; the arguments are those of :func:`found_rows`."""
    pages = found_rows(index, search, with_content=with_content, most=most)
    # Different records may claim one id.
    return list(dict.fromkeys(row.event_id for page in pages for row in page))


def _require_whole(*, is_partial: bool) -> None:
    if is_partial:
        reason = "takes too long to look at every event, so that some would be left out"
        raise ConfigurationError(Problem("search", reason, "narrow it by time, type or service"))
