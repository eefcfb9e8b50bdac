from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from telemetry.ingest.mapping.line_mapping import LineMapping
from telemetry.ingest.mapping.preset_file import load_preset, preset_names
from telemetry.testing import CapturedEvents
from tests.support.gateway.site import local_site
from tests.support.maker_lines import maker_lines


def _lines(lines: list[Any]) -> bytes:
    return b"\n".join(json.dumps(line).encode() for line in lines)


FORMS = [
    (name, form)
    for name in preset_names()
    for form in ("lines", "array", *(("document",) if load_preset(name).items is not None else ()))
]


@pytest.mark.parametrize(("name", "form"), FORMS)
async def test_preset_reads_what_the_command_reads(captured_events: CapturedEvents, name: str, form: str) -> None:
    lines = maker_lines(name)
    preset = load_preset(name)
    body = _lines(lines) if form == "lines" else json.dumps(lines).encode()
    if form == "document":
        assert preset.items is not None
        document: Any = lines
        for part in reversed(preset.items.split(".")):
            document = {part: document}
        body = json.dumps(document).encode()
    async with local_site() as site:
        answer = await site.post(f"/v1/preset/{name}", body)
    assert answer.status_code == 202, answer.text
    mapping = LineMapping(preset)
    expected = [mapping.event(line) for line in lines]
    assert [(event.event_type, event.payload) for event in captured_events] == [
        (event.event_type, event.payload) for event in expected
    ]


async def test_own_id_of_the_maker_is_the_key(captured_events: CapturedEvents) -> None:
    line = maker_lines("github")[0]
    async with local_site() as site:
        await site.post("/v1/preset/github", line, idempotency_key="k")
        await site.post("/v1/preset/github", line | {"_document_id": None}, idempotency_key="k")
    keys = [event.dedup.value for event in captured_events if event.dedup]
    assert keys[0].startswith("github:")
    assert keys[1] == "request:k:0"


async def test_mistake_refuses_no_other(captured_events: CapturedEvents) -> None:
    line = json.dumps(maker_lines("okta")[0]).encode()
    async with local_site() as site:
        answer = await site.post("/v1/preset/okta", b"\n".join([line, b"{}", b"[1", line, b'{"a":']))
    said = answer.json()["events"]
    assert answer.status_code == 207
    assert len(captured_events) == 2
    assert [event["status"] for event in said].count(202) == 2
    assert "--" not in answer.text


async def test_unknown_preset_is_404_and_names_those_that_are() -> None:
    async with local_site() as site:
        for name in ("nonesuch", "%2e%2e%2fokta", "okta.toml", "./okta.toml"):
            answer = await site.post(f"/v1/preset/{name}", b"{}")
            assert answer.status_code == 404
        assert "okta" in (await site.post("/v1/preset/nonesuch", b"{}")).json()["detail"]
        assert "nonesuch" not in (await site.post("/v1/preset/nonesuch", b"{}")).text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (gzip.compress(b"{}"), 415),
        (b"\x28\xb5\x2f\xfd0000", 415),
        ('{"a":1}'.encode("utf-16"), 415),
        (b"PK\x03\x04", 422),
        (b"{}\n" * 1_001, 413),
        (b'{"data": {"events": []}}', 400),
        (b'{"data": {"events": [{}], "events": [{}]}}', 400),
        (b'{"data": {"events": [%s]}}' % b",".join([b"{}"] * 1_001), 413),
        (b"[" + b"{}," * 1_000 + b"{}]", 413),
    ],
    ids=[
        *("empty", "no event", "gzip", "zstd", "utf-16", "zip", "too many lines"),
        *("empty document", "two lists", "too many in a document", "too many items"),
    ],
)
async def test_no_body_of_events(captured_events: CapturedEvents, body: bytes, status: int) -> None:
    async with local_site() as site:
        answer = await site.post("/v1/preset/okta", body)
    assert (answer.status_code, len(captured_events)) == (status, 0)


async def test_large_body_is_taken_apart(captured_events: CapturedEvents) -> None:
    line = maker_lines("okta")[0] | {"padding": "x" * 2_000}
    async with local_site() as site:
        answer = await site.post("/v1/preset/okta", [line] * 200)
    assert (answer.status_code, len(captured_events)) == (202, 200)


async def test_wrapper_that_the_preset_does_not_know_is_422(captured_events: CapturedEvents) -> None:
    async with local_site() as site:
        answer = await site.post("/v1/preset/okta", {"Records": maker_lines("okta")})
    assert (answer.status_code, len(captured_events)) == (422, 0)


async def test_form_is_415() -> None:
    async with local_site() as site:
        answer = await site.post("/v1/preset/okta", b"{}", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 415
