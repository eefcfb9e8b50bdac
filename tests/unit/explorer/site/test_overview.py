from __future__ import annotations

from telemetry.explorer.access.right import Right
from telemetry.reader.entry import Entry, Proven
from tests.support.explored_site import explored_site
from tests.support.index_entries import an_event, damaged, opened


async def test_overview_leads_to_what_is_wrong() -> None:
    entries: list[Entry] = [
        opened(an_event(0)),
        opened(an_event(5)),
        opened(an_event(6), proven=Proven.NO),
        opened(an_event(7), proven=Proven.PENDING),
        damaged(8, reason="its bytes were altered"),
        opened(an_event(9, event_type="telemetry.read", user_id="mallory", service_name="telemetry-reader")),
    ]
    async with explored_site(entries) as explored, explored.visit(reason="ticket 7") as visitor:
        page = await visitor.get("/")
        text = await visitor.shown("/")

    assert "/search?proven=no" in page.text
    assert "/search?proven=pending" in page.text
    assert "1 to 4" in text
    assert "its bytes were altered" in text
    assert "mallory" in text


async def test_gap_beside_a_pending_event_is_marked() -> None:
    entries = [opened(an_event(0)), opened(an_event(2)), opened(an_event(9), proven=Proven.PENDING)]
    async with explored_site(entries) as explored, explored.visit(reason="ticket 7") as visitor:
        text = await visitor.shown("/")

    assert "2 gaps in the streams of producers, 1 of them beside an event that nothing proves yet" in text
    table = text.partition("Gaps in the streams of producers")[2].partition("Outages")[0]
    assert table.count("pending") == 1


async def test_closed_session_does_not_see_who_reads() -> None:
    entries = [opened(an_event(9, event_type="telemetry.read", user_id="mallory", service_name="telemetry-reader"))]
    async with explored_site(entries, right=Right.READ) as explored, explored.visit() as visitor:
        page = await visitor.get("/")

    assert page.status_code == 200
    assert "mallory" not in page.text


async def test_cut_index_has_a_banner_everywhere() -> None:
    entries = [opened(an_event(number)) for number in range(30)]
    async with explored_site(entries, most=10) as explored, explored.visit(reason="ticket 7") as visitor:
        for path in ("/", "/search", "/history/user/ada"):
            assert "the memory for them is full" in await visitor.shown(path)


async def test_empty_trail_has_an_overview() -> None:
    async with explored_site() as explored, explored.visit() as visitor:
        assert "No events were read yet." in await visitor.shown("/")


async def test_watching_ends_with_the_filling() -> None:
    async with explored_site() as explored, explored.visit() as visitor:
        answer = await visitor.get("/filling")

    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_filling_shows_progress_and_says_that_more_comes() -> None:
    async with explored_site([opened(an_event(1))]) as explored, explored.visit() as visitor:
        explored.site.index.progress.begin()
        explored.site.index.progress.expect(200, is_from_middle=False)
        explored.site.index.progress.advance(50)
        page = await visitor.get("/filling")
        overview = await visitor.shown("/")

    assert page.headers["refresh"] == "2"
    assert "http-equiv" not in page.text
    assert "50 of 200" in page.text
    assert "50 records of 200 so far" in overview


async def test_source_that_is_away_is_said_on_every_page() -> None:
    async with explored_site([opened(an_event(1))]) as explored, explored.visit(reason="ticket 7") as visitor:
        explored.site.index.progress.failed("no broker answers <b>", is_final=False)
        pages = [(await visitor.get(path)).text for path in ("/", "/search", "/history/user/ada")]

    for page in pages:
        assert "no broker answers &lt;b&gt;" in page
        assert "It is tried again." in page


async def test_forged_reader_and_outage_are_marked() -> None:
    read = an_event(1, event_type="telemetry.read", user_id="mallory")
    entered = an_event(2, event_type="telemetry.fallback_entered")
    entries = [opened(read, sealed=False, proven=Proven.PENDING), opened(entered, proven=Proven.PENDING)]
    async with explored_site(entries) as explored, explored.visit(reason="ticket 7") as visitor:
        text = await visitor.shown("/")

    assert "pending not sealed not by a reader" in text.partition("Who read the trail")[2]
    assert "pending" in text.partition("no end was logged")[2].partition("Who read the trail")[0]
