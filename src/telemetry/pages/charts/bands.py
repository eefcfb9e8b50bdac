"""Draws where something is absent: gaps in producers' streams, and times in which events could not be sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from telemetry.pages.charts.chart import WIDTH, Chart, picture, words
from telemetry.pages.hostile_text import plain
from telemetry.pages.markup import Markup

MAX_LANES = 40
"""Lanes of one picture; the further ones are in the note."""
MAX_BANDS = 200
"""Bands of one lane."""
_ROW, _BAR, _TOP = 22, 12, 8
_LEFT, _RIGHT = 250, 84
_AXIS = 24
_ROOM = WIDTH - _LEFT - _RIGHT
_THINNEST = 2.0
_TICKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A stretch of a lane.

    Attributes:
        start: Where it begins: a sequence number, or seconds since the epoch.
        end: Where it ends, itself not included.
        what: What it is, such as ``missing 7-9``.
        tone: Its colour; the words say the same.
    """

    start: float
    end: float
    what: str
    tone: Literal["good", "warn", "bad", "plain"] = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One line of the picture.

    Attributes:
        name: Producer or service; text from outside.
        start: Where it begins: a sequence number, or seconds since the epoch.
        end: Where it ends.
        bands: What is marked on it.
    """

    name: str
    start: float
    end: float
    bands: tuple[Band, ...] = ()


def gaps(lanes: Sequence[Lane], *, title: str, noun: str = "records") -> Chart:
    """Return a chart of streams, each as long as the picture is wide, with what is absent in them.

    Args:
        lanes: Streams in sequence numbers.
        title: Name of the chart.
        noun: What is numbered, in the plural.
    """
    drawn = lanes[:MAX_LANES]
    parts: list[Markup] = []
    for number, lane in enumerate(drawn):
        parts += _lane(lane, number=number, start=lane.start, end=lane.end)
        parts.append(
            words(f"{max(lane.end - lane.start, 0):,.0f}", x=WIDTH, y=_base(number), width=_RIGHT, anchor="end")
        )
    rows = tuple(
        (
            lane.name,
            f"{band.start:.0f}" if band.end - band.start <= 1 else f"{band.start:.0f}-{band.end - 1:.0f}",
            band.what,
        )
        for lane in drawn
        for band in lane.bands[:MAX_BANDS]
    )
    summary = f"{len(drawn):,} streams of {noun}, {len(rows):,} marked stretches."
    return Chart(
        title=title,
        svg=picture(parts, height=_height(drawn), title=title, summary=summary),
        columns=("Stream", "Sequence", "What"),
        rows=rows,
        note=" ".join(filter(None, (f"At the right: how many {noun} the stream has.", _left_out(lanes, drawn)))),
    )


def outages(lanes: Sequence[Lane], *, title: str) -> Chart:
    """Return a chart of services over one common time, with the times in which something was wrong.

    Args:
        lanes: Services in seconds since the epoch.
        title: Name of the chart.
    """
    drawn = lanes[:MAX_LANES]
    start = min((lane.start for lane in drawn), default=0.0)
    end = max((lane.end for lane in drawn), default=1.0)
    parts = [part for number, lane in enumerate(drawn) for part in _lane(lane, number=number, start=start, end=end)]
    rows = tuple(
        (lane.name, _moment(band.start), _moment(band.end), band.what)
        for lane in drawn
        for band in lane.bands[:MAX_BANDS]
    )
    height = _height(drawn) + _AXIS
    summary = f"{len(drawn):,} services from {_moment(start)} to {_moment(end)}, {len(rows):,} marked times."
    return Chart(
        title=title,
        svg=picture([*parts, *_axis(start, end, height)], height=height, title=title, summary=summary),
        columns=("Service", "From", "To", "What"),
        rows=rows,
        note=_left_out(lanes, drawn),
    )


def _lane(lane: Lane, *, number: int, start: float, end: float) -> list[Markup]:
    y = _TOP + number * _ROW + (_ROW - _BAR) / 2
    parts = [
        words(lane.name, x=0, y=_base(number), width=_LEFT - 10),
        _stretch("lane", lane.start, lane.end, y=y, start=start, end=end, tooltip=lane.name),
    ]
    parts += [
        _stretch(f"band-{band.tone}", band.start, band.end, y=y, start=start, end=end, tooltip=band.what)
        for band in lane.bands[:MAX_BANDS]
    ]
    return parts


def _stretch(kind: str, first: float, last: float, *, y: float, start: float, end: float, tooltip: str) -> Markup:
    # A service with a single event has no length: it is drawn as a point.
    scale = _ROOM / max(end - start, 1.0)
    left = min(max((first - start) * scale, 0.0), _ROOM - _THINNEST)
    # One record that is absent among a million is still to be seen.
    width = min(max((last - first) * scale, _THINNEST), _ROOM - left)
    return Markup('<rect class="{}" x="{:g}" y="{:g}" width="{:g}" height="{:g}"><title>{}</title></rect>').format(
        kind, round(_LEFT + left, 2), y, round(width, 2), _BAR, plain(tooltip, 300)
    )


def _axis(start: float, end: float, height: int) -> list[Markup]:
    step = (end - start) / _TICKS
    return [
        words(_moment(start + number * step)[:16], x=_LEFT + number * _ROOM / _TICKS, y=height - 8, width=130)
        for number in range(_TICKS)
    ]


def _height(lanes: Sequence[Lane]) -> int:
    return _TOP + max(len(lanes), 1) * _ROW + 4


def _base(number: int) -> float:
    return _TOP + number * _ROW + _ROW / 2 + 4


def _left_out(lanes: Sequence[Lane], drawn: Sequence[Lane]) -> str:
    missing = len(lanes[MAX_LANES:])
    bands = sum(len(lane.bands[MAX_BANDS:]) for lane in drawn)
    notes = [f"{missing:,} more lines are not shown." if missing else ""]
    notes.append(f"{bands:,} more stretches of these lines are not shown." if bands else "")
    return " ".join(filter(None, notes))


def _moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return "beyond the calendar"
