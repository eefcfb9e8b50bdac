from __future__ import annotations

import pytest

from telemetry.explorer.access.right import Right
from telemetry.format.value.members import Change
from tests.support.explored_site import explored_site
from tests.support.index_entries import an_event, opened


async def test_life_of_an_order_is_in_order() -> None:
    entries = [
        opened(an_event(number, entity="order", entity_id="77", changes={"price": Change(old=number, new=number + 1)}))
        for number in range(3)
    ]
    async with explored_site(entries) as explored, explored.visit(reason="ticket 7") as visitor:
        text = await visitor.shown("/history/entity/order/77")
        newest = await visitor.shown("/history/entity/order/77?order=newest")

    assert text.index("price 0 1") < text.index("price 1 2") < text.index("price 2 3")
    assert newest.index("price 2 3") < newest.index("price 0 1")
    assert "telemetry export --config=telemetry.toml --entity=order/77" in text


async def test_history_of_another_is_not_mixed_in() -> None:
    entries = [opened(an_event(1, user_id="ada")), opened(an_event(2, user_id="adam"))]
    async with explored_site(entries) as explored, explored.visit(reason="ticket 7") as visitor:
        assert "1 event." in await visitor.shown("/history/user/ada")


async def test_closed_session_is_asked_for_a_reason() -> None:
    async with explored_site([opened(an_event(1))], right=Right.READ) as explored, explored.visit() as visitor:
        answer = await visitor.get("/history/user/ada")

    assert (answer.status_code, answer.headers["location"]) == (303, "/reason?next=%2Fhistory%2Fuser%2Fada")


async def test_sealed_viewer_gets_no_history() -> None:
    async with explored_site([opened(an_event(1))], right=Right.SEALED) as explored, explored.visit() as visitor:
        answers = [await visitor.get(path) for path in ("/history/user/ada", "/history/user/nobody")]

    assert [answer.status_code for answer in answers] == [403, 403]


@pytest.mark.parametrize(
    "path",
    [
        "/history/user",
        "/history/entity",
        "/history/user?id=",
        f"/history/user?id={'x' * 2_000}",
        "/history/user/ada?after=rubbish",
    ],
)
async def test_address_without_a_subject_is_refused(path: str) -> None:
    async with explored_site([opened(an_event(1))]) as explored, explored.visit(reason="ticket 7") as visitor:
        assert (await visitor.get(path)).status_code == 400


async def test_changes_marked_sensitive_are_not_listed() -> None:
    event = an_event(1, sensitive=True, changes={"salary": Change(old=1, new=2)})
    async with explored_site([opened(event)]) as explored, explored.visit(reason="ticket 7") as visitor:
        page = await visitor.get("/history/user/ada")
        opened_page = await visitor.get(f"/events/{event.id}")

    assert "salary" not in page.text
    assert "salary" in opened_page.text.partition("marked as sensitive</summary>")[2]
