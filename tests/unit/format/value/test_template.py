"""The slices of an event: joined, they are the event inside and the value outside."""

from __future__ import annotations

import msgspec
import pytest

from telemetry.format.value.event import AuditEvent, decode_event
from telemetry.format.value.message import DATA
from telemetry.format.value.render import render_tail
from telemetry.format.value.template import ID_AND_TIME, EventTemplate, beginning_of

PRODUCER = "0198c0de-0000-7000-8000-00000000000a"
ID = "0198c0de-1111-7222-8333-444455556666"


def _event(user: str, event_type: str, *, version: str = "1", optional: bytes = b"{}") -> AuditEvent:
    template = EventTemplate(service_name='sh"op', environment="prod\u00fcction", version=version)
    id_and_time = ID_AND_TIME % (ID.encode(), b"2026-01-31T12:00:00", 42)
    sealed_type, _, _ = template.of_type(event_type)
    end = template.end_with(optional)
    after_sequence = (id_and_time, sealed_type, template.of_user(user), template.before_payload, b'{"n":1}', end)
    return decode_event(beginning_of(PRODUCER) % 7 + b"".join(after_sequence))


@pytest.mark.parametrize("version", ["", "1", 'v"2"'])
@pytest.mark.parametrize("text", ["user_login", 'a"b\\', "\u00fc"])
def test_joined_slices_are_the_event(text: str, version: str) -> None:
    event = _event(text, text, version=version)

    assert event == AuditEvent(
        id=ID,
        time="2026-01-31T12:00:00.000042Z",
        event_type=text,
        user_id=text,
        payload={"n": 1},
        service_name='sh"op',
        environment="prod\u00fcction",
        version=version,
        producer=PRODUCER,
        sequence=7,
        schema_version=1,
    )


def test_optional_fields_follow_the_payload() -> None:
    assert _event("ada", "t", optional=b'{"session_id":"s"}').session_id == "s"
    assert _event("ada", "t", version="", optional=b'{"session_id":"s"}').session_id == "s"


@pytest.mark.parametrize("projected", [{}, {"sessionid": 's"1'}])
@pytest.mark.parametrize("traceparent", [None, f"00-{'a' * 32}-{'b' * 16}-01"])
def test_joined_clear_slices_are_the_tail(traceparent: str | None, projected: dict[str, str]) -> None:
    template = EventTemplate(service_name="shop", environment="test", version="1")
    _, clear_type, plain_tail = template.of_type("user_login")
    id_and_time = ID_AND_TIME % (ID.encode(), b"2026-01-31T12:00:00", 42)

    tail = id_and_time + template.clear_tail(clear_type, traceparent, projected)

    assert tail == render_tail(
        ID,
        time="2026-01-31T12:00:00.000042Z",
        event_type="user_login",
        traceparent=traceparent,
        clear=projected,
    )
    assert plain_tail == clear_type + DATA
    assert msgspec.json.decode(b"{" + tail[1:] + b"0}")["type"] == "user_login"


@pytest.mark.parametrize(
    ("always", "here", "version"),
    [
        ((), (), b',"schema_version":1,"event_type":"t"'),
        (("hidden-type",), (), b',"schema_version":2,"features":["hidden-type"],"event_type":"t"'),
        ((), ("dedup",), b',"schema_version":2,"features":["dedup"],"event_type":"t"'),
        (("hidden-type",), ("dedup",), b',"schema_version":2,"features":["dedup","hidden-type"],"event_type":"t"'),
    ],
)
def test_features_follow_the_version(always: tuple[str, ...], here: tuple[str, ...], version: bytes) -> None:
    template = EventTemplate(service_name="shop", environment="test", version="1", features=always)

    sealed_type, clear_type, _ = template.of_type("t", features=here)

    assert sealed_type.startswith(version)
    assert clear_type == (b',"type":"telemetry.event"' if always else b',"type":"t"')
