from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from telemetry.explorer.access.right import Right
from tests.support.explored_site import explored_site
from tests.support.hostile_events import BIDI, CONTROLS, SCRIPT
from tests.support.index_entries import an_event, opened
from tests.unit.explorer.jobs.conftest import SignedTrail
from tests.unit.explorer.jobs.conftest import trail as trail  # noqa: PLC0414 - a fixture of these tests too
from tests.unit.explorer.site.visiting import Explorer, explorer_of, text_of


@pytest.fixture
async def explorer(trail: SignedTrail) -> AsyncIterator[Explorer]:
    async with explorer_of(trail, policy=trail.policy) as explorer:
        yield explorer


async def test_looks_of_a_person_are_listed(trail: SignedTrail) -> None:
    async with explorer_of(trail, policy=trail.policy) as explorer:
        visitor = explorer.visitor("frida")
        await visitor.get(f"/events/{trail.ids[0]}")
        await visitor.get("/search?user=user-4")
        await visitor.post("/export", {"take-form": "csv", "user": "user-4"})

    async with explorer_of(trail, policy=trail.policy) as explorer:
        text = text_of(await explorer.visitor().get("/access?user=frida"))

    assert "looked at an event" in text
    assert "searched, found: 6" in text
    assert "took events away, events: 6" in text
    assert "user-4" in text
    assert "INC-77" in text
    assert text.count("Frida") == 3


async def test_nothing_but_looks_is_listed(explorer: Explorer) -> None:
    text = text_of(await explorer.visitor().get("/access?user=user-1"))

    assert "No such look" in text


async def test_closed_session_is_asked_for_a_reason(explorer: Explorer) -> None:
    answer = await explorer.visitor(reason=None).get("/access")

    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/reason?next=")


async def test_sealed_viewer_sees_no_looks(explorer: Explorer) -> None:
    assert (await explorer.visitor(right=Right.SEALED).get("/access")).status_code == 403


@pytest.mark.parametrize(
    "query",
    ["type=work", "since=yesterday", "no=1", "after=x", "user=a&user=b&x=y", f"user={'x' * 3_000}"],
    ids=["type", "time", "unknown", "cursor", "twice", "long"],
)
async def test_odd_filter_looks_for_nothing(explorer: Explorer, query: str) -> None:
    answer = await explorer.visitor().get(f"/access?{query}")

    assert answer.status_code == 400
    assert "user-" not in text_of(answer)


@pytest.mark.parametrize(
    "payload",
    [
        [SCRIPT],
        SCRIPT,
        None,
        {"found": True, "filters": {"text": SCRIPT + BIDI}, "name": [1], "reason": 7, "signed_in": {}},
        {"events": 10**400, "description": [SCRIPT] * 5_000, "program": CONTROLS},
    ],
    ids=["list", "text", "none", "odd kinds", "huge"],
)
async def test_forged_look_is_inert(payload: Any) -> None:
    forged = an_event(
        1, event_type="telemetry.read", payload=payload, user_id=SCRIPT, entity="audit_event", entity_id=".."
    )
    async with explored_site([opened(forged)]) as explored, explored.visit(reason="ticket 7") as visitor:
        page = await visitor.get("/access")
        text = await visitor.shown("/access")

    assert "1 look" in text
    assert "<script>window.hostile" not in page.text
    assert "\u202e" not in page.text


async def test_blank_fields_are_left_out_of_the_address(explorer: Explorer) -> None:
    answer = await explorer.visitor().get("/access?user=frida&since=&until=")

    assert answer.headers["location"] == "/access?user=frida"


@pytest.mark.parametrize(("service", "is_marked"), [("shop", True), ("telemetry-reader", False)])
async def test_look_that_a_service_logged_is_marked(service: str, is_marked: bool) -> None:
    look = an_event(event_type="telemetry.read", user_id="carol", service_name=service)
    async with explored_site([opened(look)]) as explored, explored.visit(reason="ticket 7") as visitor:
        text = await visitor.shown("/access")

    assert "carol" in text
    assert ("not by a reader" in text) is is_marked
