"""Draws how much happened when: a bar for each hour, day, or as many days as fit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from telemetry.pages.charts.chart import WIDTH, Chart, picture, words
from telemetry.pages.markup import Markup

MAX_BARS = 400
"""Bars of one picture; more are joined, days to weeks and so on."""
_LABEL = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d))?", re.ASCII)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_STEPS = tuple(_DAY * days for days in (1, 2, 7, 14, 28, 91, 182, 364))
_CENTRAL = 0.99
"""Part of the events that a picture shows at least, if all of them do not fit: one forged date must not spoil it."""
_LEFT, _RIGHT, _TOP, _BASE, _HEIGHT = 64, 8, 14, 140, 168
_MAX_TICKS = 8


@dataclass(frozen=True, slots=True)
class _Buckets:
    start: datetime
    step: timedelta
    counts: list[int]
    before: int
    after: int


def timeline(days: Sequence[tuple[str, int]], *, title: str, noun: str = "events") -> Chart:
    """Return a chart of what happened when.

    Args:
        days: Days (``2026-01-03``) or hours (``2026-01-03T04``), each with a count, in any order; days without anything may
            be left out. What is no such day is counted in the note.
        title: Name of the chart.
        noun: What is counted, in the plural.
    """
    points = sorted((moment, count) for label, count in days if count > 0 and (moment := _moment(label)) is not None)
    odd = sum(count for label, count in days if count > 0 and _moment(label) is None)
    if not points:
        svg = picture([_nothing()], height=_HEIGHT, title=title, summary=f"No {noun}.")
        note = _note(None, odd=odd, noun=noun)
        return Chart(title=title, svg=svg, columns=("From", noun.capitalize()), rows=(), note=note)
    buckets = _bucketed(points, is_hourly=any(_is_hour(label) for label, _ in days))
    return Chart(
        title=title,
        svg=picture(_drawn(buckets, noun), height=_HEIGHT, title=title, summary=_summary(buckets, noun)),
        columns=("From", noun.capitalize()),
        rows=_rows(buckets),
        note=_note(buckets, odd=odd, noun=noun),
    )


def _bucketed(points: list[tuple[datetime, int]], *, is_hourly: bool) -> _Buckets:
    first, last = points[0][0], points[-1][0]
    if is_hourly and (last - first) / _HOUR < MAX_BARS:
        return _filled(points, first, last, _HOUR)
    first, last = _midnight(first), _midnight(last)
    if (last - first) / _STEPS[-1] >= MAX_BARS / 10:
        first, last = map(_midnight, _central(points))
    step = next((step for step in _STEPS if (last - first) / step < MAX_BARS), None)
    return _filled(points, first, last, step or _STEPS[-1] * (1 + int((last - first) / _STEPS[-1] / MAX_BARS)))


def _central(points: list[tuple[datetime, int]]) -> tuple[datetime, datetime]:
    """Return the shortest stretch of time from the ends of which no more than a few events are cut off."""
    room = int(sum(count for _, count in points) * (1 - _CENTRAL))
    first, last = 0, len(points) - 1
    while first < last:
        # The end that reaches further out is cut first, if few enough events are there.
        before = points[first + 1][0] - points[first][0]
        after = points[last][0] - points[last - 1][0]
        cut = first if before >= after else last
        if points[cut][1] > room or max(before, after) < _STEPS[-1]:
            break
        room -= points[cut][1]
        first, last = (first + 1, last) if cut == first else (first, last - 1)
    return points[first][0], points[last][0]


def _filled(points: list[tuple[datetime, int]], first: datetime, last: datetime, step: timedelta) -> _Buckets:
    counts = [0] * (int((last - first) / step) + 1)
    before = after = 0
    for moment, count in points:
        number = (moment - first) // step
        if number < 0:
            before += count
        elif number >= len(counts):
            after += count
        else:
            counts[number] += count
    return _Buckets(first, step, counts, before, after)


def _drawn(buckets: _Buckets, noun: str) -> list[Markup]:
    most = _round_up(max(buckets.counts))
    room = (WIDTH - _LEFT - _RIGHT) / len(buckets.counts)
    parts = [part for share in ((0.5, 1.0) if most > 1 else (1.0,)) for part in _grid(most, share)]
    for number, count in enumerate(buckets.counts):
        if count:
            # One event among a million is still to be seen.
            height = max(count / most * (_BASE - _TOP), 1.5)
            parts.append(
                Markup(
                    '<rect class="bar" x="{:g}" y="{:g}" width="{:g}" height="{:g}"><title>{}: {:,} {}</title></rect>'
                ).format(
                    round(_LEFT + number * room, 2),
                    round(_BASE - height, 2),
                    round(max(min(room * 0.86, 48), 0.8), 2),
                    round(height, 2),
                    _label(buckets, number),
                    count,
                    noun,
                )
            )
    parts.append(
        Markup('<line class="axis" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(_LEFT, _BASE, WIDTH - _RIGHT, _BASE)
    )
    return parts + _ticks(buckets, room)


def _grid(most: int, share: float) -> list[Markup]:
    y = round(_BASE - share * (_BASE - _TOP), 2)
    line = Markup('<line class="grid-line" x1="{}" y1="{:g}" x2="{}" y2="{:g}"/>').format(_LEFT, y, WIDTH - _RIGHT, y)
    return [line, words(_short_number(most * share), x=_LEFT - 6, y=y + 4, width=_LEFT, anchor="end")]


def _ticks(buckets: _Buckets, room: float) -> list[Markup]:
    each = max(1, -(-len(buckets.counts) // _MAX_TICKS))
    # A label at the right end would be cut off: it needs half a tick of room.
    last = WIDTH - 90
    return [
        words(_label(buckets, number), x=x, y=_BASE + 18, width=110)
        for number in range(0, len(buckets.counts), each)
        if (x := _LEFT + number * room) <= last
    ]


def _rows(buckets: _Buckets) -> tuple[tuple[str | int, ...], ...]:
    rows: list[tuple[str | int, ...]] = [("earlier", buckets.before)] if buckets.before else []
    rows += [(_label(buckets, number), count) for number, count in enumerate(buckets.counts) if count]
    return (*rows, ("later", buckets.after)) if buckets.after else tuple(rows)


def _summary(buckets: _Buckets, noun: str) -> str:
    most = max(range(len(buckets.counts)), key=buckets.counts.__getitem__)
    last = _label(buckets, len(buckets.counts) - 1)
    return (
        f"{sum(buckets.counts):,} {noun} from {_label(buckets, 0)} to {last}; the most, {buckets.counts[most]:,}, "
        f"from {_label(buckets, most)}."
    )


def _note(buckets: _Buckets | None, *, odd: int, noun: str) -> str:
    notes = []
    if buckets is not None:
        notes.append(f"A bar is {_length(buckets.step)}, UTC; those without {noun} are not listed.")
        if buckets.before or buckets.after:
            notes.append(f"{buckets.before + buckets.after:,} {noun} with far-off dates are outside the picture.")
    if odd:
        notes.append(f"{odd:,} {noun} have a date that is no day of the calendar.")
    return " ".join(notes)


def _length(step: timedelta) -> str:
    if step == _HOUR:
        return "an hour"
    return "a day" if step == _DAY else f"{step.days:,} days"


def _label(buckets: _Buckets, number: int) -> str:
    moment = buckets.start + number * buckets.step
    return moment.strftime("%Y-%m-%d %H:00") if buckets.step == _HOUR else moment.date().isoformat()


def _moment(label: str) -> datetime | None:
    match = _LABEL.fullmatch(label)
    try:
        return datetime.fromisoformat(f"{match[1]}T{match[2] or '00'}:00:00") if match is not None else None
    except ValueError:  # no day of the calendar
        return None


def _is_hour(label: str) -> bool:
    match = _LABEL.fullmatch(label)
    return match is not None and match[2] is not None


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0)


def _round_up(count: int) -> int:
    """Return the next number that makes a good end of an axis: 1, 2, 4, 6, 8, 10, 20 ..."""
    size = int(10 ** (len(str(count)) - 1))
    return next(factor * size for factor in (1, 2, 4, 6, 8, 10) if factor * size >= count)


def _short_number(count: float) -> str:
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if count >= size:
            return f"{count / (1e3 if unit == 'k' else size):g}{unit}"
    return f"{count:g}"


def _nothing() -> Markup:
    return words("Nothing in this time", x=WIDTH / 2, y=_HEIGHT / 2, width=400, anchor="middle")
