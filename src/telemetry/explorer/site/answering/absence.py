"""Draws when something was absent: gaps in the streams of producers, and outages of Kafka, on one line for each service."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

from telemetry.explorer.index.overview import Gap, Outage, Overview
from telemetry.pages.charts import Band, Chart, Lane, outages
from telemetry.pages.marks import proof_mark
from telemetry.reader.entry import Proven

_SHORTEST = 1.0
"""Seconds of a service's line: one that logged once is still to be seen."""


def absence_chart(seen: Overview) -> Chart | None:
    """Return the picture; None where there is neither a gap nor an outage.

    Args:
        seen: What is in the index.
    """
    lives = {each.service: (_seconds(each.first), _seconds(each.last)) for each in seen.services}
    bands: dict[str, list[Band]] = defaultdict(list)
    for service, life in lives.items():
        bands[service] = [*_gaps(seen.gaps, service, life), *_outages(seen.outages, service, life)]
    lanes = [
        Lane(name=service, start=first, end=max(last, first + _SHORTEST), bands=tuple(bands[service]))
        for service, (first, last) in lives.items()
        if bands[service]
    ]
    return outages(lanes, title="Gaps and outages by service") if lanes else None


def _gaps(gaps: list[Gap], service: str, life: tuple[float, float]) -> Iterator[Band]:
    for gap in gaps:
        if gap.service == service:
            start = _seconds(gap.before) if gap.before else life[0]
            numbers = f"{gap.first:,}" if gap.first == gap.last else f"{gap.first:,} to {gap.last:,}"
            doubt = "" if gap.proven is Proven.YES else f" ({proof_mark(gap.proven).text})"
            yield Band(
                start=start, end=max(_seconds(gap.after), start), what=f"gap: {numbers} of {gap.producer}{doubt}"
            )


def _outages(outages_: list[Outage], service: str, life: tuple[float, float]) -> Iterator[Band]:
    for outage in outages_:
        if outage.service == service:
            start = _seconds(outage.began)
            end = _seconds(outage.ended) if outage.ended else life[1]
            yield Band(start=start, end=max(end, start), what=f"outage of {outage.producer}", tone="warn")


def _seconds(time: str) -> float:
    """Return seconds since the epoch; 0 for what is no time: a record that nobody opened can have any text there."""
    try:
        moment = datetime.fromisoformat(time)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
