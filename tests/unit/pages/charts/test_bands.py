"""Gaps and outages stay visible, bounded and inert."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from telemetry.pages.charts import Band, Lane, gaps, outages
from telemetry.pages.charts.bands import MAX_BANDS, MAX_LANES
from tests.support.seen_page import SeenPage

EVIL = "</title><script>alert(1)</script>\u202e"
NUMBERS = st.floats(-1e20, 1e20) | st.integers(0, 10_000).map(float)
BANDS = st.builds(Band, start=NUMBERS, end=NUMBERS, what=st.text())
LANES = st.lists(
    st.builds(Lane, name=st.text(), start=NUMBERS, end=NUMBERS, bands=st.lists(BANDS, max_size=4).map(tuple)),
    max_size=5,
)


@given(LANES)
def test_any_lanes_stay_inside_the_picture(lanes: list[Lane]) -> None:
    for chart in (gaps(lanes, title="Gaps"), outages(lanes, title="Outages")):
        page = SeenPage(chart.svg)
        assert set(page.tags) <= {"svg", "title", "desc", "rect", "text"}
        edges = [
            (float(value), name) for tag, name, value in page.attributes if tag == "rect" and name in ("x", "width")
        ]
        assert all(0 < value <= 960 for value, _ in edges)


def test_one_missing_record_among_millions_is_drawn() -> None:
    lane = Lane(name="p", start=0, end=50_000_000, bands=(Band(start=7, end=8, what="missing 7"),))

    chart = gaps([lane], title="Gaps")

    assert 'class="band-bad"' in chart.svg
    assert 'width="2"' in chart.svg
    assert chart.rows == (("p", "7", "missing 7"),)


def test_ranges_are_named_by_first_and_last() -> None:
    chart = gaps([Lane(name="p", start=0, end=10, bands=(Band(start=3, end=6, what="missing"),))], title="Gaps")

    assert chart.rows == (("p", "3-5", "missing"),)


def test_outage_is_named_by_its_times() -> None:
    lane = Lane(name="/prod/pay", start=0, end=7200, bands=(Band(start=60, end=120, what="stored", tone="warn"),))

    chart = outages([lane], title="Outages")

    assert chart.rows == (("/prod/pay", "1970-01-01 00:01:00 UTC", "1970-01-01 00:02:00 UTC", "stored"),)


def test_hostile_names_stay_text() -> None:
    lanes = [Lane(name=EVIL, start=0, end=10, bands=(Band(start=1, end=2, what=EVIL),))]

    chart = gaps(lanes, title=EVIL)

    assert "script" not in SeenPage(chart.svg).tags
    assert "\u202e" not in chart.svg


def test_further_lanes_and_bands_are_counted() -> None:
    bands = tuple(Band(start=n, end=n + 1, what="missing") for n in range(MAX_BANDS + 5))
    lanes = [Lane(name=f"p{n}", start=0, end=500, bands=bands) for n in range(MAX_LANES + 3)]

    note = gaps(lanes, title="Gaps").note

    assert "3 more lines are not shown." in note
    assert f"{5 * MAX_LANES} more stretches of these lines are not shown." in note


def test_no_lane_draws_an_empty_picture() -> None:
    assert gaps([], title="Gaps").rows == ()
    assert outages([], title="Outages").rows == ()
