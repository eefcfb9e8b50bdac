"""Renders and parses the value of a record: a CloudEvents 1.0 object in one canonical form (docs/format.md).

A value consists of three parts: the head, which is constant for a producer and a data key; the middle, from the sequence
to the name of the data; and the data itself, a JWE.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import msgspec

from telemetry.exceptions import MalformedRecordError
from telemetry.format import canonical_base64
from telemetry.format.value.event import METADATA_FIELDS, AuditEvent

CONTENT_TYPE = b"application/cloudevents+json; charset=UTF-8"
BATCH_HEADER = "telemetry-batch"
"""Kafka header with the batch that carried the record, ``SENDER-N``."""
REPLAY_HEADER = "telemetry-replay"
"""Kafka header with the name of the fallback object that the record was replayed from."""
SEQUENCE = b',"sequence":'
"""End of the head; the number follows."""
KEY_HASH = b',"keyhash":"'
"""Between the number and the hash of the Kafka key."""
NUMBER_AND_KEY_HASH = b"%d" + KEY_HASH
"""Number and name, with a place for the number."""
DATA = b',"data":'
"""End of the middle."""
SEALED = "application/jose"
CLEAR = "application/json"
CONTEXT_VERSION = "1"
MAX_VALUE_BYTES = 128 << 20
KEY_HASH_BYTES = 16
KEY_HASH_CHARACTERS = 22
MAX_SEQUENCE = (1 << 53) - 1
"""The largest integer that every JSON parser keeps (RFC 8259 section 6)."""

CLEAR_ATTRIBUTES = {
    name.replace("_", ""): name
    for name in ("user_id", "version", "service_name", "environment", *METADATA_FIELDS)
    if name != "source"
}
"""Event fields that may be projected outside the sealed part, by attribute name (CloudEvents allows a-z and 0-9 only)."""

# In the order of the text. CloudEvents leaves the order open; one order makes one value of an event (docs/format.md).
_REQUIRED = (
    "specversion",
    "source",
    "datacontenttype",
    "producer",
    "sequence",
    "keyhash",
    "id",
    "time",
    "type",
    "data",
)
_KEY_ATTRIBUTES = ("keyid", "wrappedkey")
_OWN = frozenset((*_REQUIRED, *_KEY_ATTRIBUTES, "traceparent"))

_MIDDLE = NUMBER_AND_KEY_HASH + b'%b"%b'

_encode = msgspec.json.Encoder().encode
_raw_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Message(NamedTuple):
    """A record's value, parsed but not opened.

    Attributes:
        attributes: Every CloudEvents attribute but ``data``, in the order of the text.
        data: The JWE, or the event's JSON where encryption was off.
    """

    attributes: dict[str, Any]
    data: bytes

    @property
    def is_sealed(self) -> bool:
        """Whether ``data`` is a JWE."""
        return bool(self.attributes["datacontenttype"] == SEALED)

    @property
    def key_uri(self) -> str:
        """URI of the KEK that wrapped the data key."""
        return str(self.attributes["keyid"])

    @property
    def wrapped_key(self) -> bytes:
        """The wrapped data key.

        Raises:
            MalformedRecordError: The attribute is not canonical base64.
        """
        wrapped = canonical_base64.decode(str(self.attributes["wrappedkey"]))
        if wrapped is None:
            message = "wrappedkey is not base64 in its canonical form"
            raise MalformedRecordError(message)
        return wrapped

    @property
    def context(self) -> dict[str, str]:
        """The encryption context of the data key, derived from ``source``."""
        return context_of(str(self.attributes["source"]))


def source_of(environment: str, service_name: str) -> str:
    """Return the CloudEvents ``source``: ``/environment/service_name`` as a URI reference (RFC 3986)."""
    return f"/{quote(environment, safe='')}/{quote(service_name, safe='')}"


def context_of(source: str) -> dict[str, str]:
    """Return the encryption context of a source's data keys: service, environment, purpose, format version."""
    # Both parts are percent-encoded, so the first slash in the rest is the one between them.
    _, _, rest = source.partition("/")
    environment, _, service_name = rest.partition("/")
    return {
        "service": unquote(service_name),
        "environment": unquote(environment),
        "purpose": "telemetry-audit",
        "format": CONTEXT_VERSION,
    }


def render_head(source: str, producer: str, *, key_uri: str | None, wrapped_key: bytes | None) -> bytes:
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
    return _encode(head)[:-1] + SEQUENCE


def render_tail(
    event_id: str, *, time: str, event_type: str, traceparent: str | None = None, clear: Mapping[str, Any] | None = None
) -> bytes:
    """Return the part of a value between the key's hash and the data.

    Args:
        event_id: UUIDv7 of the event. It and the time need no escapes (:func:`decode_event` refuses others).
        time: Time of the event.
        event_type: What happened.
        traceparent: The span as W3C Trace Context, or None.
        clear: Fields that the event projects outside, by attribute name.
    """
    members = b',"id":"%b","time":"%b","type":%b' % (event_id.encode(), time.encode(), _encode(event_type))
    return members + render_rest(traceparent, clear)


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


def parse(value: bytes) -> Message:
    """Parse a record's value.

    Raises:
        MalformedRecordError: The value is not a CloudEvents object of this format.
    """
    if len(value) > MAX_VALUE_BYTES:
        message = f"the record's value is larger than {MAX_VALUE_BYTES} bytes"
        raise MalformedRecordError(message)
    # Member by member: the data, which can be large, is not decoded as JSON.
    raw = _decode_members(value)
    data = raw.pop("data")
    attributes = {name: _decode_attribute(name, text) for name, text in raw.items()}
    _require_types(attributes)
    sealed = attributes["datacontenttype"] == SEALED
    return Message(attributes, _jwe_text(data) if sealed else bytes(data))


def expected_value(event: AuditEvent, message: Message) -> bytes:
    """Return the only value that a record of this sealed event can have, given its key attributes and data."""
    head = render_head(
        source_of(event.environment, event.service_name),
        event.producer,
        key_uri=message.key_uri if message.is_sealed else None,
        wrapped_key=message.wrapped_key if message.is_sealed else None,
    )
    tail = tail_of(event)
    return render(
        head,
        sequence=event.sequence,
        key=event.key.encode(),
        tail=tail,
        data=message.data,
        sealed=message.is_sealed,
    )


def tail_of(event: AuditEvent) -> bytes:
    """Return the only tail that the value of an event can have."""
    return render_tail(
        event.id,
        time=event.time,
        event_type=event.event_type,
        traceparent=event.traceparent,
        clear=projected(event) if event.clear_fields else None,
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
        "type": event.event_type,
        "time": event.time,
        "producer": event.producer,
        "sequence": event.sequence,
        "keyhash": key_hash(event.key.encode()).decode(),
        "traceparent": event.traceparent,
    }


def _decode_members(value: bytes) -> dict[str, msgspec.Raw]:
    try:
        raw = _raw_decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        message = "the record's value is not a JSON object"
        raise MalformedRecordError(message) from exc
    missing = [name for name in _REQUIRED if name not in raw]
    if missing:
        message = f"the record's value lacks {', '.join(missing)}"
        raise MalformedRecordError(message)
    return raw


def _decode_attribute(name: str, text: msgspec.Raw) -> Any:
    try:
        attribute = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        message = f"the attribute {name[:32]!r} is not JSON"
        raise MalformedRecordError(message) from exc
    # An unknown attribute could not be compared with the sealed event, so anybody could add one unnoticed.
    if name not in _OWN and name not in CLEAR_ATTRIBUTES:
        message = f"the attribute {name[:32]!r} is not part of the sealed event"
        raise MalformedRecordError(message)
    return attribute


def _require_types(attributes: dict[str, Any]) -> None:
    sequence = attributes["sequence"]
    texts = [attributes[name] for name in _REQUIRED if name not in ("sequence", "data")]
    if attributes["datacontenttype"] == SEALED:
        texts += [attributes.get(name) for name in _KEY_ATTRIBUTES]
    fits = all(isinstance(text, str) for text in texts) and type(sequence) is int and 0 <= sequence <= MAX_SEQUENCE
    if not fits or attributes["specversion"] != "1.0" or attributes["datacontenttype"] not in (SEALED, CLEAR):
        message = "the record's attributes have the wrong types or versions"
        raise MalformedRecordError(message)


def _jwe_text(data: msgspec.Raw) -> bytes:
    text = bytes(data)
    # A JWE needs no escapes: with one, two texts would have the same meaning.
    if text[:1] != b'"' or text[-1:] != b'"' or b"\\" in text:
        message = "data is not a JWE string"
        raise MalformedRecordError(message)
    return text[1:-1]
