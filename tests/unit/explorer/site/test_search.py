from __future__ import annotations

import pytest

from telemetry.explorer.access.right import Right
from telemetry.reader.entry import Entry, Proven
from tests.support.explored_site import explored_site
from tests.support.index_entries import an_event, hidden, left_sealed, opened

HOSTILE = "<script>alert(1)</script>\u202e\"'{{7*7}}"


def _entries() -> list[Entry]:
    return [
        opened(an_event(number, user_id="ada" if number % 2 else "bob", outcome="denied" if number == 3 else "success"))
        for number in range(6)
    ]


async def test_search_finds_counts_and_narrows() -> None:
    async with explored_site(_entries()) as explored, explored.visit(reason="ticket 7") as visitor:
        page = await visitor.get("/search?user=ada")
        narrowed = await visitor.shown("/search?user=ada&outcome=denied")

    assert "3 events" in page.text
    assert 'href="/search?user=ada&amp;outcome=denied"' in page.text
    assert "telemetry export --config=telemetry.toml --user=ada" in page.text
    assert "1 event" in narrowed


async def test_pages_follow_each_other_without_gap() -> None:
    entries = [opened(an_event(number)) for number in range(250)]
    seen: list[str] = []
    async with explored_site(entries) as explored, explored.visit(reason="ticket 7") as visitor:
        url: str | None = "/search?order=oldest"
        while url:
            page = (await visitor.get(url)).text
            seen += [part.partition('"')[0] for part in page.split('class="row" href="')[1:]]
            url = (
                page.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
                if 'rel="next"' in page
                else None
            )
            url = url.replace("&amp;", "&") if url else None

    assert len(seen) == len(set(seen)) == 250


@pytest.mark.parametrize("right", [Right.SEALED, Right.READ])
async def test_closed_session_learns_nothing_of_content(right: Right) -> None:
    entries = [*_entries(), opened(hidden(an_event(7, event_type="user_dismissed")))]
    async with explored_site(entries, right=right) as explored, explored.visit() as visitor:
        for query in ("user=ada", "text=ada", "outcome=denied", "where=payload.x%3D1", "not=user%3Dada", "adjusted=1"):
            answer = await visitor.get(f"/search?{query}")
            assert answer.status_code == 403
            assert "Nothing was searched" in answer.text
            assert "3 events" not in answer.text
        everything = await visitor.get("/search")
        by_hidden_type = await visitor.shown("/search?type=user_dismissed")

    assert "7 events" in everything.text
    assert "ada" not in everything.text
    assert "user_dismissed" not in everything.text
    assert "0 events" in by_hidden_type


async def test_reason_leads_back_to_the_search() -> None:
    async with explored_site(_entries()) as explored, explored.visit() as visitor:
        refused = await visitor.get("/search?user=ada")
        form = await visitor.get("/reason?next=%2Fsearch%3Fuser%3Dada")
        given = await visitor.post("/reason", reason="ticket 7", next="/search?user=ada")

    assert "/reason?next=%2Fsearch%3Fuser%3Dada" in refused.text
    assert 'value="/search?user=ada"' in form.text
    assert (given.status_code, given.headers["location"]) == (303, "/search?user=ada")


async def test_wrong_filter_is_said_at_its_field() -> None:
    async with explored_site(_entries()) as explored, explored.visit(reason="ticket 7") as visitor:
        answer = await visitor.get("/search?since=yesterday&user=ada")

    assert answer.status_code == 400
    assert 'id="f-since-error"' in answer.text
    assert 'value="yesterday"' in answer.text
    assert 'value="ada"' in answer.text
    assert 'class="row"' not in answer.text


async def test_blank_fields_leave_the_address() -> None:
    async with explored_site() as explored, explored.visit(reason="ticket 7") as visitor:
        answer = await visitor.get("/search?text=&user=ada&type=")

    assert (answer.status_code, answer.headers["location"]) == (303, "/search?user=ada")


@pytest.mark.parametrize(
    "query",
    ["after=rubbish", "after=%00", "user=%ff", "x" * 20_000, "&".join(["user=a"] * 1_000), "order=newest&after=~~"],
)
async def test_rubbish_in_the_address_is_refused(query: str) -> None:
    async with explored_site(_entries()) as explored, explored.visit(reason="ticket 7") as visitor:
        answer = await visitor.get(f"/search?{query}")

    assert answer.status_code == 400
    assert 'class="row"' not in answer.text


async def test_hostile_search_is_text_on_the_page() -> None:
    async with explored_site(_entries()) as explored, explored.visit(reason="ticket 7") as visitor:
        page = await visitor.get("/search", params={"text": HOSTILE, "user": HOSTILE})

    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "49" not in page.text.partition("<main")[2].partition("command line")[0]


async def test_sealed_index_searches_clear_fields() -> None:
    entries = [left_sealed(number) for number in range(3)]
    async with explored_site(entries, right=Right.SEALED) as explored, explored.visit() as visitor:
        assert "3 events" in await visitor.shown("/search?type=order")


async def test_foreign_records_appear_when_asked_for() -> None:
    entries = [opened(an_event(1)), opened(an_event(2), is_foreign=True, sealed=False)]
    async with explored_site(entries) as explored, explored.visit(reason="ticket 7") as visitor:
        assert "1 event" in await visitor.shown("/search")
        assert "foreign" in await visitor.shown("/search?foreign=1")


async def test_counts_say_what_nothing_proves() -> None:
    entries = [
        *_entries(),
        opened(an_event(6), proven=Proven.NO),
        opened(an_event(7), proven=Proven.PENDING, sealed=False),
        opened(an_event(8), proven=Proven.PENDING, sealed=False, is_foreign=True),
    ]
    async with explored_site(entries) as explored, explored.visit(reason="ticket 7") as visitor:
        page = await visitor.get("/search?user=ada")
        text = await visitor.shown("/search?user=ada")
        foreign = await visitor.shown("/search?user=ada&foreign=1")
        pending = await visitor.get("/search?user=ada&proven=pending")
        history = await visitor.get("/history/user/ada")

    assert "counted here: 1 of 5 not proven , 1 of 5 pending , 1 of 5 not sealed" in text
    assert "2 of 6 pending , 2 of 6 not sealed , 1 of 6 foreign" in foreign
    for shown in (page, history):
        assert '<a href="/search?user=ada&amp;proven=no' in shown.text
        assert '<a href="/search?user=ada&amp;proven=pending' in shown.text
    assert 'proven=pending">1 of 1' not in pending.text


async def test_proven_counts_need_no_word() -> None:
    async with explored_site(_entries()) as explored, explored.visit(reason="ticket 7") as visitor:
        for path in ("/search", "/history/user/ada"):
            assert "counted here" not in await visitor.shown(path)
