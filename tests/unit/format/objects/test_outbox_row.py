from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.exceptions import EventError, EventTooLargeError, TamperedError
from telemetry.format.objects.outbox_row import OutboxRow, head_without_place, most_bytes, parse_row, render_row
from telemetry.format.value import jwe
from telemetry.format.value.message import parse
from telemetry.format.value.open_record import open_clear_record, open_record
from telemetry.format.value.recipients import Wrap, recipients_digest, render_recipients
from telemetry.format.value.render import key_hash, render_tail

DATA_KEY, KEY_URI, WRAPPED = bytes(range(32)), "local-key://00", b"wrapped"
KID = jwe.key_id(DATA_KEY, key_uri=KEY_URI, wrapped=WRAPPED)
ID, TIME = "018f3b1c-0000-7000-8000-00000000000a", "2026-01-31T12:00:00.123456Z"
PRODUCER = "018f3b1c-0000-7000-8000-000000000001"
KEY = "ada:shop"
RECIPIENTS = render_recipients([Wrap(b"second", "recovery-key://02")])


def event(**members: Any) -> dict[str, Any]:
    return {
        "id": ID,
        "time": TIME,
        "schema_version": 2,
        "features": ["relayed"],
        "event_type": "order.paid",
        "user_id": "ada",
        "service_name": "shop",
        "environment": "production",
        "payload": {"n": 1},
        **members,
    }


def row(
    members: dict[str, Any] | None = None, *, sealed: bool = True, recipients: str | None = None, **tail: Any
) -> bytes:
    text = json.dumps(members or event(), separators=(",", ":")).encode()
    protected = jwe.protected_header(KID)
    data = jwe.seal(AESGCM(DATA_KEY), protected=protected, iv=bytes(12), plaintext=text) if sealed else text
    return render_row(
        KEY.encode(),
        head=head_without_place(
            "/production/shop",
            key_uri=KEY_URI if sealed else None,
            wrapped_key=WRAPPED if sealed else None,
            recipients=recipients,
        ),
        hashed=key_hash(KEY.encode()),
        tail=render_tail(tail.pop("event_id", ID), **{"time": TIME, "event_type": "order.paid", **tail}),
        data=data,
        sealed=sealed,
    )


def parsed(data: bytes) -> OutboxRow:
    return parse_row(data, max_bytes=most_bytes(1_024))


def test_row_in_a_place_opens() -> None:
    value = parsed(row()).value(PRODUCER, 7)

    opened = open_record(value, key=KEY.encode(), message=parse(value), cipher=AESGCM(DATA_KEY), kid=KID)

    assert (opened.producer, opened.sequence, opened.payload) == (PRODUCER, 7, {"n": 1})
    assert opened.features == ("relayed",)


def test_row_says_what_a_relay_needs() -> None:
    read = parsed(row())
    assert (read.event_id, read.key, read.source) == (ID, KEY.encode(), "/production/shop")
    assert read.is_sealed
    assert read.jwe_header == jwe.protected_header(KID)
    assert parsed(row()).jwe_header is read.jwe_header
    assert repr(read) == f"OutboxRow(event_id='{ID}')"


def test_row_names_recipients_in_every_place() -> None:
    members = event(features=["recipients", "relayed"], recipients=recipients_digest(RECIPIENTS))
    value = parsed(row(members, recipients=RECIPIENTS)).value(PRODUCER, 0)

    message = parse(value)

    assert message.recipients == RECIPIENTS
    assert open_record(value, key=KEY.encode(), message=message, cipher=AESGCM(DATA_KEY), kid=KID).recipients


def test_clear_row_in_a_place_opens() -> None:
    read = parsed(row(sealed=False))
    value = read.value(PRODUCER, 3)

    opened = open_clear_record(value, key=KEY.encode(), message=parse(value))

    assert (opened.producer, opened.sequence, read.is_sealed, read.jwe_header) == (PRODUCER, 3, False, b"")


@pytest.mark.parametrize(
    ("members", "why"),
    [
        (event(features=["relayed"], producer=PRODUCER, sequence=7), "sealed with a place"),
        ({**event(), "schema_version": 1, "features": []}, "without the feature"),
        ({"producer": PRODUCER, "sequence": 7, **event()}, "with both"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_place_and_feature_must_agree(members: dict[str, Any], why: str) -> None:
    del why
    value = parsed(row(members)).value(PRODUCER, 7)
    with pytest.raises(TamperedError, match="features do not say where"):
        open_record(value, key=KEY.encode(), message=parse(value), cipher=AESGCM(DATA_KEY), kid=KID)


def test_every_changed_byte_is_refused_or_seen() -> None:
    data, passed = row(), 0
    for at in range(len(data)):
        altered = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        try:
            value = parsed(altered).value(PRODUCER, 7)
        except EventError:
            continue
        passed += 1
        # The relay has no key: what it lets through, the reader refuses.
        message = parse(value)
        kid = jwe.key_id(DATA_KEY, key_uri=message.key_uri, wrapped=message.wrapped_key)
        with pytest.raises(TamperedError):
            open_record(value, key=KEY.encode(), message=message, cipher=AESGCM(DATA_KEY), kid=kid)
    assert passed > 0


@pytest.mark.parametrize("end", range(0, 400, 7))
def test_truncated_row_is_refused(end: int) -> None:
    with pytest.raises(EventError):
        parsed(row()[:end])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\xff",
        b"null",
        b"[" * 100_000,
        b'{"format":"telemetry-outbox","version":0,"key":"k","value":{}}',
        b'{"format":"other","version":1,"key":"k","value":{}}',
        b'{"format":"telemetry-outbox","version":1,"key":"k","value":{}}',
        b'{"format":"telemetry-outbox","version":1,"key":"k","value":7}',
        row() + b" ",
        row().replace(b'"key":', b'"key": ', 1),
        row().replace(b'"key":"ada:shop"', b'"key":"eve:shop"', 1),
        row().replace(b'"version":1,', b'"version":1,"more":1,', 1),
        row().replace(b'"data":', b'"producer":"%b","sequence":4,"data":' % PRODUCER.encode(), 1),
        row().replace(b'"keyid"', b'"producer":"%b","keyid"' % PRODUCER.encode(), 1),
        row().replace(b'"type":', b'"color":"red","type":', 1),
        row().replace(KEY_URI.encode(), KEY_URI.encode() + b"\\u0061", 1),
        row(event_type="telemetry.checkpoint"),
        row(event_type="telemetry.started"),
        row(event_type=""),
        row(event_type="t" * 256),
        row(time="2026-02-30T12:00:00.123456Z"),
        row(time="yesterday"),
        row(event_id="7"),
        row(traceparent="00-zz"),
        row(clear={"userid": 7}),
        row(clear={"userid": ["ada"]}),
    ],
    ids=range(26),
)
def test_what_seal_does_not_write_is_refused(data: bytes) -> None:
    with pytest.raises(EventError, match="outbox row"):
        parsed(data)


def test_row_of_a_later_version_names_it() -> None:
    with pytest.raises(EventError, match="version 2, of a newer version"):
        parsed(row().replace(b'"version":1', b'"version":2,"sealing":[]', 1))


def test_row_that_is_too_large_is_refused() -> None:
    with pytest.raises(EventTooLargeError, match="max_event_bytes"):
        parse_row(row(), max_bytes=len(row()) - 1)
    assert parse_row(row(), max_bytes=len(row())).event_id == ID


def test_error_of_a_row_holds_no_content() -> None:
    for data in (row(clear={"userid": ["canary-7"]}), row(event_type="telemetry.canary-7")):
        with pytest.raises(EventError) as caught:
            parsed(data)
        assert "canary-7" not in str(caught.value)
