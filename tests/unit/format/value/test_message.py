"""The value of a record as CloudEvents attributes: parsed, rendered, and what is not one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from telemetry.exceptions import MalformedRecordError
from telemetry.format.value import message
from telemetry.format.value.message import context_of, parse, source_of
from telemetry.format.value.render import key_hash

ATTRIBUTES: dict[str, Any] = {
    "specversion": "1.0",
    "source": "/production/shop",
    "datacontenttype": "application/jose",
    "producer": "0198c0de-0000-7000-8000-00000000000a",
    "keyid": "stub://kek",
    "wrappedkey": "d3JhcHBlZA==",
    "sequence": 7,
    "keyhash": "A" * 22,
    "id": "0198c0de-1111-7222-8333-444455556666",
    "time": "2026-01-31T12:00:00.000000Z",
    "type": "user_login",
    "data": "eyJh..iv.text.tag",
}


def written(**changes: Any) -> bytes:
    """Return the value with other attributes; None removes one."""
    changed = {name: content for name, content in {**ATTRIBUTES, **changes}.items() if content is not None}
    return json.dumps(changed).encode()


def test_parsed_value_has_every_attribute() -> None:
    parsed = parse(written(sessionid="s"))

    assert {**parsed.attributes, "data": parsed.data.decode()} == {**ATTRIBUTES, "sessionid": "s"}
    assert parsed.is_sealed
    assert (parsed.key_uri, parsed.wrapped_key) == ("stub://kek", b"wrapped")


def test_value_in_the_clear_has_its_event_as_json() -> None:
    parsed = parse(written(datacontenttype="application/json", data={"a": 1}, keyid=None, wrappedkey=None))

    assert not parsed.is_sealed
    assert json.loads(parsed.data) == {"a": 1}


@pytest.mark.parametrize("name", [name for name in ATTRIBUTES if name not in ("keyid", "wrappedkey")])
def test_missing_attribute_is_named(name: str) -> None:
    with pytest.raises(MalformedRecordError, match=f"lacks {name}"):
        parse(written(**{name: None}))


@pytest.mark.parametrize(
    "changes",
    [
        {"keyid": None},
        {"wrappedkey": 1},
        {"specversion": "0.3"},
        {"datacontenttype": "text/plain"},
        {"sequence": "7"},
        {"sequence": True},
        {"sequence": 7.0},
        {"sequence": -1},
        {"sequence": 1 << 53},
        {"data": "a\nb"},
        {"data": ["eyJh"]},
        {"tenant": "another attribute"},
    ],
)
def test_wrong_types_and_versions_are_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedRecordError):
        parse(written(**changes))


@pytest.mark.parametrize("value", [b"", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"specversion":', b'{"id":1e}'])
def test_other_bytes_are_malformed(value: bytes) -> None:
    with pytest.raises(MalformedRecordError):
        parse(value)


def test_value_over_the_limit_is_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message, "MAX_VALUE_BYTES", 100)

    with pytest.raises(MalformedRecordError, match="larger than 100 bytes"):
        parse(written())


@pytest.mark.parametrize("wrapped", ["d3JhcHBlZA", "d3JhcHBlZB==", "\u00e9", "d3Jh-_=="])
def test_wrapped_key_in_another_form(wrapped: str) -> None:
    with pytest.raises(MalformedRecordError, match="wrappedkey"):
        _ = parse(written(wrappedkey=wrapped)).wrapped_key


@pytest.mark.parametrize(
    ("environment", "service"), [("production", "shop"), ("a/b", "c d"), ("%2F", "\u00fc/"), ("", "")]
)
def test_source_gives_the_context_back(environment: str, service: str) -> None:
    context = context_of(source_of(environment, service))

    assert (context["environment"], context["service"]) == (environment, service)
    assert context["purpose"] == "telemetry-audit"


def test_hash_of_a_key_never_changes() -> None:
    # SHA-256(0x02 || key), 16 bytes, base64url; computed with other tools.
    assert key_hash(b"ada:shop") == b"IE2lsHJy2pavI9hU6xHqSw"
