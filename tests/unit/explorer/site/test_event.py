from __future__ import annotations

import re

import pytest

from telemetry.explorer.access.right import Right
from telemetry.explorer.index import event_index
from telemetry.format.value.members import Change
from telemetry.reader.entry import Entry, Proven
from tests.support.explored_site import explored_site
from tests.support.index_entries import an_event, hidden, id_of, left_sealed, opened

HOSTILE = "<script>alert(1)</script>\u202e\"'{{7*7}}"


async def test_event_shows_change_payload_and_neighbours() -> None:
    entries = [
        opened(
            an_event(
                1,
                entity="order",
                entity_id="77",
                session_id="s1",
                correlation_id="c1",
                changes={"price": Change(old=700, new=900)},
                payload={"note": "discount"},
            )
        ),
        opened(an_event(2, session_id="s1", event_type="order_shipped")),
        opened(an_event(3, correlation_id="c1", event_type="mail_sent")),
    ]
    async with explored_site(entries) as explored, explored.visit(reason="ticket 7") as visitor:
        page = await visitor.get(f"/events/{id_of(1)}")
        text = await visitor.shown(f"/events/{id_of(1)}")

    for part in ("price 700 900", "note : discount", "order_shipped", "mail_sent"):
        assert part in text
    for url in ("/history/entity/order/77", "/history/user/ada", "session=s1", "correlation=c1", "/basket/add"):
        assert url in page.text


@pytest.mark.parametrize(
    ("fields", "links"),
    [
        ({"actor_id": "eve", "ip_address": "10.0.0.7"}, ["/search?actor=eve", "/search?ip=10.0.0.7"]),
        ({"actor_id": "ada", "ip_address": HOSTILE}, []),
        ({"actor_id": "e" * 4_000, "ip_address": "10.0.0.0/8"}, []),
    ],
    ids=["plain", "hostile", "long"],
)
async def test_actor_and_address_lead_to_searches(fields: dict[str, str], links: list[str]) -> None:
    entries = [opened(an_event(1, **fields))]
    async with explored_site(entries) as explored, explored.visit(reason="ticket 7") as visitor:
        page = (await visitor.get(f"/events/{id_of(1)}")).text

    assert re.findall(r"/search\?(?:actor|ip)=[^\"]*", page) == links


@pytest.mark.parametrize("right", [Right.SEALED, Right.READ])
async def test_closed_session_sees_what_is_outside(right: Right) -> None:
    event = hidden(an_event(1, event_type="user_dismissed", payload={"why": "canary"}))
    async with explored_site([opened(event)], right=right) as explored, explored.visit() as visitor:
        page = await visitor.get(f"/events/{id_of(1)}")

    assert page.status_code == 200
    assert "/test/shop" in page.text
    for secret in ("canary", "ada", "user_dismissed"):
        assert secret not in page.text


async def test_sealed_record_has_a_page() -> None:
    async with explored_site([left_sealed(1)], right=Right.SEALED) as explored, explored.visit() as visitor:
        assert "The content was not opened." in await visitor.shown(f"/events/{id_of(1)}")


async def test_two_records_of_one_id_are_both_shown() -> None:
    entries = [opened(an_event(1), proven=Proven.NO, salt=" "), opened(an_event(1))]
    async with explored_site(entries) as explored, explored.visit(reason="ticket 7") as visitor:
        text = await visitor.shown(f"/events/{id_of(1)}")

    assert "2 records claim this id." in text
    assert text.index("Record 1 of 2 proven") < text.index("Record 2 of 2 not proven")


async def test_many_large_claims_are_counted_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_index, "MAX_CLAIMED_BYTES", 10)
    entries = [opened(an_event(1), proven=Proven.NO, salt=" " * n) for n in range(1, 70)]
    async with explored_site([*entries, opened(an_event(1))]) as explored, explored.visit(reason="t") as visitor:
        text = await visitor.shown(f"/events/{id_of(1)}")

    assert "70 records claim this id." in text
    assert "50 of them are shown" in text
    assert "Record 1 of 70 proven" in text
    assert text.count("The content is left out") == 49


@pytest.mark.parametrize(
    ("entry", "mark"),
    [
        (opened(proven=Proven.NO), "not proven"),
        (opened(proven=Proven.PENDING), "pending"),
        (opened(proven=Proven.NOT_JUDGED), "not judged"),
        (opened(sealed=False), "not sealed"),
        (opened(sealed=False, is_foreign=True), "foreign"),
    ],
)
async def test_value_that_nothing_vouches_for_is_marked(entry: Entry, mark: str) -> None:
    async with explored_site([entry]) as explored, explored.visit(reason="ticket 7") as visitor:
        text = await visitor.shown(f"/events/{id_of(0)}")

    assert f"ada {mark}" in text
    assert f"Payload {mark}" in text


@pytest.mark.parametrize(
    "path",
    ["/events/none", "/event?id=..", "/event", "/events/%00", "/event?id=%ff", f"/events/{'x' * 9_000}"],
)
async def test_event_that_is_not_there_is_refused(path: str) -> None:
    async with explored_site([opened()]) as explored, explored.visit(reason="ticket 7") as visitor:
        answer = await visitor.get(path)

    assert answer.status_code in (400, 404, 414)


async def test_hostile_event_is_text_on_every_page() -> None:
    event = an_event(
        1,
        event_type=HOSTILE,
        user_id=HOSTILE,
        entity=HOSTILE,
        entity_id="../../etc",
        session_id=HOSTILE,
        payload={HOSTILE: [HOSTILE] * 50},
        changes={HOSTILE: Change(old=HOSTILE, new=HOSTILE)},
        metadata={"deep": _nested(200)},
    )
    entries = [opened(event), opened(an_event(2, session_id=HOSTILE))]
    async with explored_site(entries) as explored, explored.visit(reason="ticket 7") as visitor:
        pages = [await visitor.get(path) for path in (f"/events/{id_of(1)}", "/search", "/")]
        pages.append(await visitor.get("/history/user", params={"id": HOSTILE}))
        pages.append(await visitor.get("/history/entity", params={"kind": HOSTILE, "id": "../../etc"}))

    for page in pages:
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "\u202e" not in page.text
        assert 'href="/history/entity/<' not in page.text


async def test_payload_of_a_megabyte_is_bounded() -> None:
    event = an_event(1, payload={f"name-{number}": "x" * 20 for number in range(30_000)})
    async with explored_site([opened(event)]) as explored, explored.visit(reason="ticket 7") as visitor:
        page = await visitor.get(f"/events/{id_of(1)}")

    assert page.status_code == 200
    assert len(page.text) < 1_000_000


def _nested(depth: int) -> object:
    value: object = "end"
    for _ in range(depth):
        value = {"in": value}
    return value
