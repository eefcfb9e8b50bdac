from __future__ import annotations

from telemetry.explorer.index.overview import Gap, Outage, Overview, ServiceLife
from telemetry.explorer.site.answering.absence import absence_chart
from telemetry.reader.entry import Proven

FIRST, LAST = "2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z"


def _overview(*, first: str = FIRST, gaps: list[Gap] | None = None, outages: list[Outage] | None = None) -> Overview:
    life = ServiceLife(
        service="/production/shop", events=2, producers=1, first=first, last=LAST, days=[], unproven=0, refuted=0
    )
    return Overview(
        events=2,
        first=first,
        last=LAST,
        days=[],
        services=[life],
        more_services=0,
        gaps=gaps or [],
        more_gaps=0,
        pending_gaps=0,
        outages=outages or [],
        readers=[],
        proven=0,
        pending=0,
        refuted=0,
        not_judged=2,
        clear=0,
        foreign=0,
        damaged=[],
    )


def _gap(*, before: str | None, after: str = LAST) -> Gap:
    return Gap(
        service="/production/shop",
        producer="p",
        first=7,
        last=9,
        missing=3,
        before=before,
        after=after,
        proven=Proven.YES,
    )


def test_nothing_absent_is_no_picture() -> None:
    assert absence_chart(_overview()) is None


def test_gap_and_outage_are_two_marks() -> None:
    outage = Outage(
        service="/production/shop",
        producer="p",
        began=FIRST,
        ended=None,
        event_id="x",
        proven=Proven.YES,
        is_sealed=True,
    )

    chart = absence_chart(_overview(gaps=[_gap(before=None)], outages=[outage]))

    assert chart is not None
    assert [row[3] for row in chart.rows] == ["gap: 7 to 9 of p", "outage of p"]


def test_text_that_is_no_time_draws_something() -> None:
    for text in ("", "soon", "9999999999", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00", "\x00"):
        assert absence_chart(_overview(first=text, gaps=[_gap(before=text, after=text)])) is not None
