from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate
from starlette.routing import Route

from telemetry.gateway.observed import health
from telemetry.gateway.routes import ROUTES
from telemetry.gateway.routes.openapi import description
from telemetry.testing import CapturedEvents
from tests.support.gateway.answers import DocumentedAnswers
from tests.support.gateway.generated_requests import GeneratedRequests
from tests.support.gateway.site import local_site

DESCRIPTION = description()
OPERATIONS = [
    (path, method) for path, item in DESCRIPTION["paths"].items() for method in item if path.startswith("/v1/")
]
_COUNT = 300


def test_description_is_valid() -> None:
    validate(DESCRIPTION)


async def test_description_is_served() -> None:
    async with local_site() as site:
        answer = await site.client.get("/v1/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == DESCRIPTION


def test_every_route_is_described_and_no_other() -> None:
    routes: Iterator[Any] = (route for route in (*ROUTES, *health.ROUTES) if isinstance(route, Route))
    served = {(route.path, method) for route in routes for method in route.methods or () if method != "HEAD"}
    described = {(path, method.upper()) for path, item in DESCRIPTION["paths"].items() for method in item}
    assert served <= described
    assert described - served == {("/metrics", "GET")}


def test_schemas_are_schemas() -> None:
    for schema in DESCRIPTION["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
async def test_generated_requests_get_the_answers_that_are_described(
    captured_events: CapturedEvents, path: str, method: str
) -> None:
    answers = DocumentedAnswers(DESCRIPTION)
    statuses = set()
    async with local_site(max_body_bytes=1 << 20) as site:
        for request in GeneratedRequests(DESCRIPTION, path, method, seed=1).take(_COUNT):
            headers = [(name.encode(), value.encode("latin-1")) for name, value in request.headers]
            answer = await site.client.request(request.method, request.target, content=request.body, headers=headers)
            answers.require(path, method, answer.status_code, answer.headers, answer.content)
            statuses.add(answer.status_code)
            captured_events.clear()
        assert site.gateway.bodies.free == site.gateway.limits.max_body_bytes_at_once
    assert 500 not in statuses
    # The generator reaches what it is made for.
    expected = {"/v1/logs": {200, 400, 415}, "/v1/openapi.json": {200}}.get(path, {202, 400, 415, 422})
    assert expected <= statuses
