"""Cuts a page out of the rows that a search found, and counts what they have in common."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable
from itertools import islice

from telemetry.explorer.index.find.sieve import Selected, Selection, directed
from telemetry.explorer.index.found import Counts, Found, Tally, busiest_days
from telemetry.explorer.index.row import Row
from telemetry.explorer.index.store.columns import Value
from telemetry.explorer.index.store.line import FOREIGN, SEALED, Key
from telemetry.explorer.index.store.segment import PROVEN, kinds_of
from telemetry.reader.entry import Proven


def page_of(selection: Selection, *, after: Key | None, limit: int, newest_first: bool, with_content: bool) -> Found:
    """Return a page of the rows.

    Args:
        selection: All rows that were found.
        after: Key of the last row of the page before; None for the first page.
        limit: Most rows of the page.
        newest_first: The order.
        with_content: Whether the rows have content.
    """
    rest = selection if after is None else _after(selection, after, newest_first=newest_first)
    places = list(islice(directed(rest, newest_first=newest_first), limit + 1))
    rows = [_shown(segment.row(row), with_content=with_content) for segment, row in places[:limit]]
    return Found(
        rows=rows,
        total=selection.total,
        next=rows[-1].cursor if rows and len(places) > limit else None,
        is_partial=selection.searched_to is not None,
        searched_to=selection.searched_to,
    )


def around(selection: Selection, key: Key, *, limit: int, with_content: bool) -> Found:
    """Return the rows around a key, as many before as after it where there are so many, in the order of time."""
    before = sum(bisect_left(part.rows, key, key=part.segment.keys.__getitem__) for part in selection.parts)
    start = max(0, min(before - limit // 2, selection.total - limit))
    places = list(islice(directed(selection, newest_first=False), start, start + limit))
    rows = [_shown(segment.row(row), with_content=with_content) for segment, row in places]
    return Found(rows=rows, total=selection.total, is_partial=selection.searched_to is not None)


def counts_of(selection: Selection, *, most: int, with_content: bool) -> Counts:
    """Return what the rows have in common.

    Args:
        selection: All rows that were found.
        most: Values of each field that are named.
        with_content: Whether what is inside the seal is counted.
    """
    inside = ("outcome", "user") if with_content else ()
    totals: dict[str, Counter[Value]] = {name: Counter() for name in ("type", "outcome", "user", "service", "day")}
    for name in ("type", "service", "day", *inside):
        column = "clear_type" if name == "type" and not with_content else name
        for part in selection.parts:
            totals[name].update(part.segment.columns[column].count(part.rows))
        # Rows that were not opened have none, as have events without an outcome.
        totals[name].pop(None, None)
    return Counts(
        total=selection.total,
        types=_tally(totals["type"], most),
        outcomes=_tally(totals["outcome"], most),
        users=_tally(totals["user"], most),
        services=_tally(totals["service"], most),
        days=busiest_days(totals["day"]),
        verdicts=_verdicts(selection.parts),
        clear=sum(len(part.segment.flagged(SEALED, part.rows, wanted=False)) for part in selection.parts),
        foreign=sum(len(part.segment.flagged(FOREIGN, part.rows)) for part in selection.parts),
        is_partial=selection.searched_to is not None,
    )


def _verdicts(parts: Iterable[Selected]) -> dict[Proven, int]:
    counted: Counter[int] = Counter()
    for part in parts:
        proven = part.segment.proven
        kinds = kinds_of(proven)
        if len(kinds) == 1:
            counted[kinds.pop()] += len(part.rows)
        else:
            counted.update(map(proven.__getitem__, part.rows))
    return {PROVEN[kind]: count for kind, count in counted.items()}


def _after(selection: Selection, key: Key, *, newest_first: bool) -> Selection:
    parts = []
    for part in selection.parts:
        keys = part.segment.keys
        if newest_first:
            rows = part.rows[: bisect_left(part.rows, key, key=keys.__getitem__)]
        else:
            rows = part.rows[bisect_right(part.rows, key, key=keys.__getitem__) :]
        if rows:
            parts.append(Selected(part.segment, rows))
    return Selection(parts=parts, total=selection.total, searched_to=selection.searched_to)


def _shown(row: Row, *, with_content: bool) -> Row:
    return row if with_content else row.without_content()


def _tally(counter: Counter[Value], most: int) -> Tally:
    ordered = sorted(counter.items(), key=lambda item: (-item[1], item[0] or ""))
    rest = ordered[most:]
    return Tally(
        top=[(value or "", count) for value, count in ordered[:most]],
        rest=sum(count for _, count in rest),
        others=len(rest),
    )
