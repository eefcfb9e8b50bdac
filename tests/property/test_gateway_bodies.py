"""Whatever is in a body, its answer says of each event one thing, and an event that is accepted is the one that was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry.testing import CapturedEvents, capture_events
from tests.support.gateway.site import Site, local_site

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.fixed_dictionaries(
    {"event_type": st.text(min_size=1, max_size=20), "user_id": st.text(max_size=20) | st.none(), "payload": VALUES},
    optional={
        "metadata": st.dictionaries(st.text(max_size=5), VALUES, max_size=2),
        "id": st.text(max_size=300),
        "entity": VALUES,
    },
)
ELEMENTS = EVENTS | VALUES
PATHS = ("/v1/events", "/v1/kubernetes", "/v1/preset/okta", "/v1/logs")
KINDS = (
    "application/json",
    "application/x-ndjson",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "",
)


def _with_site(work: Callable[[Site, CapturedEvents], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        with capture_events() as captured:
            async with local_site() as site:
                await work(site, captured)

    asyncio.run(run())


def _require_answer(answer: httpx.Response) -> None:
    assert answer.status_code in {200, 202, 207, 400, 413, 415, 422}
    if answer.status_code >= 400 and answer.headers["content-type"] == "application/problem+json":
        assert answer.json()["status"] == answer.status_code


@settings(max_examples=150, deadline=None)
@given(st.lists(ELEMENTS, min_size=1, max_size=5))
def test_each_element_has_its_answer_and_only_accepted_ones_are_logged(elements: list[Any]) -> None:
    async def work(site: Site, captured: CapturedEvents) -> None:
        body = json.dumps(elements, ensure_ascii=False).encode("utf-8", "surrogatepass")
        answer = await site.post("/v1/events", body, content_type="application/json")
        _require_answer(answer)
        if answer.status_code == 400:
            assert len(captured) == 0
            return
        if len(elements) == 1:
            accepted = elements if answer.status_code == 202 else []
        else:
            said = answer.json()["events"]
            assert len(said) == len(elements)
            accepted = [element for element, each in zip(elements, said, strict=True) if each.get("status", 202) == 202]
        assert [event.payload for event in captured] == [element.get("payload") for element in accepted]

    _with_site(work)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(PATHS),
    st.sampled_from(KINDS),
    st.binary(max_size=200) | st.text(alphabet='[]{}",:\\01e.-n ', max_size=80).map(str.encode),
)
def test_no_body_is_an_error_of_the_gateway(path: str, kind: str, body: bytes) -> None:
    async def work(site: Site, captured: CapturedEvents) -> None:
        _require_answer(await site.post(path, body, **({"content_type": kind} if kind else {})))
        assert site.gateway.bodies.free == site.gateway.limits.max_body_bytes_at_once
        del captured

    _with_site(work)
