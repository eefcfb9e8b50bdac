"""Renders the value of a record, part by part or whole: a CloudEvents 1.0 object in one canonical form (docs/format.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from telemetry.format import canonical_base64
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.message import (
    CLEAR,
    CLEAR_ATTRIBUTES,
    COMMITMENT,
    DATA,
    KEY_HASH_BYTES,
    NUMBER_AND_KEY_HASH,
    SEALED,
    SEQUENCE,
    Message,
    source_of,
)
from telemetry.format.value.recipients import ATTRIBUTE

_COMMITMENT = b',"%b":"' % COMMITMENT.encode()
_COMMITTED_DATA = b'"' + DATA
_MIDDLE = NUMBER_AND_KEY_HASH + b'%b"%b'

_encode = msgspec.json.Encoder().encode


def render_head(
    source: str, producer: str, *, key_uri: str | None, wrapped_key: bytes | None, recipients: str | None = None
) -> bytes:
    """Return the head of a value, up to and including the name of the sequence."""
    head: dict[str, str] = {
        "specversion": "1.0",
        "source": source,
        "datacontenttype": SEALED if key_uri is not None else CLEAR,
        "producer": producer,
    }
    if key_uri is not None and wrapped_key is not None:
        head["keyid"] = key_uri
        head["wrappedkey"] = canonical_base64.encode(wrapped_key)
        if recipients is not None:
            head[ATTRIBUTE] = recipients
    return _encode(head)[:-1] + SEQUENCE


def render_tail(
    event_id: str,
    *,
    time: str,
    event_type: str,
    traceparent: str | None = None,
    clear: Mapping[str, Any] | None = None,
    commitment: str | None = None,
) -> bytes:
    """Return the part of a value between the key's hash and the data.

    Args:
        event_id: UUIDv7 of the event. It and the time need no escapes (:func:`decode_event` refuses others).
        time: Time of the event.
        event_type: What happened.
        traceparent: The span as W3C Trace Context, or None.
        clear: Fields that the event projects outside, by attribute name.
        commitment: Commitment to the sealed bytes of a disclosable event.
    """
    members = b',"id":"%b","time":"%b","type":%b' % (event_id.encode(), time.encode(), _encode(event_type))
    tail = members + render_rest(traceparent, clear)
    return tail if commitment is None else with_commitment(tail, commitment)


def with_commitment(tail: bytes, commitment: str) -> bytes:
    """Return the tail of a disclosable event: the commitment is its last attribute, and needs no escapes."""
    return b"%b%b%b%b" % (tail[: -len(DATA)], _COMMITMENT, commitment.encode(), _COMMITTED_DATA)


def render_rest(traceparent: str | None, clear: Mapping[str, Any] | None) -> bytes:
    """Return the part of a value between the type and the data: the trace and the projected fields."""
    if traceparent is None and not clear:
        return DATA
    rest = {**({"traceparent": traceparent} if traceparent is not None else {}), **(clear or {})}
    return b",%b%b" % (_encode(rest)[1:-1], DATA)


@lru_cache(maxsize=4_096)
def key_hash(key: bytes) -> bytes:
    """Return the hash of a Kafka key that its value carries: base64url(first 16 bytes of SHA-256(0x02 || key)).

    The Merkle leaf covers the value alone. The hash binds the key to it, also for a verifier that cannot decrypt.
    """
    return canonical_base64.encode_url(hashlib.sha256(b"\x02" + key).digest()[:KEY_HASH_BYTES])


def render_middle(sequence: int, *, hashed: bytes, tail: bytes) -> bytes:
    """Return the middle of a value.

    Args:
        sequence: Number in the producer's stream.
        hashed: The :func:`key_hash` of the Kafka key.
        tail: The rest, from :func:`render_tail`.
    """
    return _MIDDLE % (sequence, hashed, tail)


def render(head: bytes, *, sequence: int, key: bytes, tail: bytes, data: bytes, sealed: bool) -> bytes:
    """Return a whole value.

    Args:
        head: From :func:`render_head`.
        sequence: Number in the producer's stream.
        key: Kafka key.
        tail: From :func:`render_tail`.
        data: The JWE, or the event's JSON if it is not sealed.
        sealed: Whether the data is a JWE.
    """
    quoted = (b'"', data, b'"') if sealed else (data,)
    return b"".join((head, render_middle(sequence, hashed=key_hash(key), tail=tail), *quoted, b"}"))


def expected_value(event: AuditEvent, message: Message) -> bytes:
    """Return the only value that a record of this sealed event can have, given its key attributes and data."""
    head = render_head(
        source_of(event.environment, event.service_name),
        event.producer,
        key_uri=message.key_uri if message.is_sealed else None,
        wrapped_key=message.wrapped_key if message.is_sealed else None,
        recipients=message.recipients,
    )
    tail = tail_of(event, commitment=message.commitment)
    return render(
        head,
        sequence=event.sequence,
        key=event.key.encode(),
        tail=tail,
        data=message.data,
        sealed=message.is_sealed,
    )


def tail_of(event: AuditEvent, *, commitment: str | None = None) -> bytes:
    """Return the only tail that the value of an event can have.

    Args:
        event: The event.
        commitment: Commitment to its sealed bytes, if it is disclosable.
    """
    return render_tail(
        event.id,
        time=event.time,
        event_type=event.clear_type,
        traceparent=event.traceparent,
        clear=projected(event) if event.clear_fields else None,
        commitment=commitment,
    )


def projected(event: AuditEvent) -> dict[str, Any]:
    """Return the fields that an event projects outside its sealed part, by attribute name."""
    return {name: getattr(event, field) for name, field in CLEAR_ATTRIBUTES.items() if field in event.clear_fields}


def projection(event: AuditEvent) -> dict[str, Any]:
    """Return what every clear attribute of an event must be if it is there, by attribute name."""
    fields = {name: getattr(event, field) for name, field in CLEAR_ATTRIBUTES.items()}
    return {
        **fields,
        "specversion": "1.0",
        "id": event.id,
        "source": source_of(event.environment, event.service_name),
        "type": event.clear_type,
        "time": event.time,
        "producer": event.producer,
        "sequence": event.sequence,
        "keyhash": key_hash(event.key.encode()).decode(),
        "traceparent": event.traceparent,
    }
