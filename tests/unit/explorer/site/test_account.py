from __future__ import annotations

import pytest

from telemetry.explorer.access.right import Right
from telemetry.explorer.site.scope import Scope
from tests.support.explored_site import explored_site
from tests.support.index_entries import an_event, opened


async def test_chosen_zone_is_beside_utc() -> None:
    async with explored_site([opened(an_event(0))]) as explored, explored.visit(reason="ticket 7") as visitor:
        chosen = await visitor.post("/settings", zone="Asia/Tokyo", next="/search")
        text = await visitor.shown("/search")

    assert chosen.headers["location"] == "/search"
    assert "2026-01-02 00:00:00.000 UTC 09:00:00 JST" in text


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "x" * 10_000, "UTC\x00"])
async def test_zone_that_is_none_is_refused(zone: str) -> None:
    async with explored_site() as explored, explored.visit() as visitor:
        answer = await visitor.post("/settings", zone=zone, next="/search")
        assert answer.status_code == 400
        assert "UTC" in (await visitor.get("/settings")).text


@pytest.mark.parametrize(
    "target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/..//x"]
)
async def test_no_form_leads_elsewhere(target: str) -> None:
    async with explored_site() as explored, explored.visit() as visitor:
        given = await visitor.post("/reason", reason="ticket 7", next=target)
        chosen = await visitor.post("/settings", zone="UTC", next=target)
        page = await visitor.get("/reason", params={"next": target})

    assert [given.headers["location"], chosen.headers["location"]] == ["/", "/"]
    assert target not in page.text


@pytest.mark.parametrize("reason", ["", "   ", "x" * 5_000, "\u200b", "\u2800\u3164", "...", "\u00ad-\u2060"])
async def test_reason_that_says_nothing_opens_nothing(reason: str) -> None:
    async with explored_site([opened(an_event(0))]) as explored, explored.visit() as visitor:
        answer = await visitor.post("/reason", reason=reason, next="/")
        assert answer.status_code == 400
        assert (await visitor.get("/search?user=ada")).status_code == 403


async def test_reason_of_the_start_is_proposed() -> None:
    scope = Scope(topic="audit", reason='audit "2026"')
    async with explored_site(scope=scope) as explored, explored.visit() as visitor:
        assert 'value="audit &#34;2026&#34;"' in (await visitor.get("/reason")).text


async def test_sealed_viewer_is_not_asked_for_a_reason() -> None:
    async with explored_site(right=Right.SEALED) as explored, explored.visit() as visitor:
        assert (await visitor.get("/reason")).status_code == 403
        assert "/reason" not in (await visitor.get("/")).text
