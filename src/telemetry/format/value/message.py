"""The value of a Kafka record: a CloudEvents 1.0 object in one canonical form (docs/format.md)."""

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
"""Kafka header: which batch carried the record; ``SENDER-N``."""
REPLAY_HEADER = "telemetry-replay"
"""Kafka header: which fallback object the record came from; its name."""
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
"""Attribute name outside -> event field that may be projected there (CloudEvents allows a-z and 0-9 only)."""

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

_encode = msgspec.json.Encoder().encode


class Message(NamedTuple):
    """A record's value, taken apart but not opened.

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
        """Which KEK wrapped the data key."""
        return str(self.attributes["keyid"])

    @property
    def wrapped_key(self) -> bytes:
        """The wrapped data key.

        Raises:
            MalformedRecordError: It is not canonical base64.
        """
        wrapped = canonical_base64.decode(str(self.attributes["wrappedkey"]))
        if wrapped is None:
            message = "wrappedkey is not base64 in its canonical form"
            raise MalformedRecordError(message)
        return wrapped

    @property
    def context(self) -> dict[str, str]:
        """What the data key must be bound to, derived from ``source``."""
        return context_of(str(self.attributes["source"]))


def source_of(environment: str, service_name: str) -> str:
    """Return the CloudEvents ``source``: ``/environment/service_name`` as a URI reference (RFC 3986)."""
    return f"/{quote(environment, safe='')}/{quote(service_name, safe='')}"


def context_of(source: str) -> dict[str, str]:
    """Return the context that wraps the data keys of a source: service, environment, purpose, format version."""
    _, _, rest = source.partition("/")
    environment, _, service_name = rest.partition("/")
    return {
        "service": unquote(service_name),
        "environment": unquote(environment),
        "purpose": "telemetry-audit",
        "format": CONTEXT_VERSION,
    }


def render_head(source: str, producer: str, *, key_uri: str | None, wrapped_key: bytes | None) -> bytes:
    """Return the first part of a value, which is constant for a data key."""
    head: dict[str, str] = {
        "specversion": "1.0",
        "source": source,
        "datacontenttype": SEALED if key_uri is not None else CLEAR,
        "producer": producer,
    }
    if key_uri is not None and wrapped_key is not None:
        head["keyid"] = key_uri
        head["wrappedkey"] = canonical_base64.encode(wrapped_key)
    return _encode(head)[:-1] + b',"sequence":'


def render_tail(event_id: str, time: str, event_type: str, traceparent: str | None, clear: Mapping[str, Any]) -> bytes:
    """Return the part of a value between the sequence and the data; id and time need no escapes."""
    head = b',"id":"%b","time":"%b","type":%b' % (event_id.encode(), time.encode(), _encode(event_type))
    return head + render_rest(traceparent, clear)


def render_rest(traceparent: str | None, clear: Mapping[str, Any] | None) -> bytes:
    """Return the part of a value between the type and the data."""
    if traceparent is None and not clear:
        return b',"data":'
    rest = {**({"traceparent": traceparent} if traceparent is not None else {}), **(clear or {})}
    return b',%b,"data":' % _encode(rest)[1:-1]


@lru_cache(maxsize=4_096)
def key_hash(key: bytes) -> bytes:
    """Return what a value says of its Kafka key: base64url(first 16 bytes of SHA-256(0x02 || key)).

    The Merkle leaf is made of the value alone, so this is what binds the key to it for whoever cannot decrypt.
    """
    return canonical_base64.encode_url(hashlib.sha256(b"\x02" + key).digest()[:KEY_HASH_BYTES])


def render_middle(sequence: int, hashed: bytes, tail: bytes) -> bytes:
    """Return the part of a value between head and data; ``hashed`` is the :func:`key_hash`."""
    return b'%d,"keyhash":"%b"%b' % (sequence, hashed, tail)


def render(head: bytes, sequence: int, key: bytes, tail: bytes, data: bytes, *, sealed: bool) -> bytes:
    """Return a whole value."""
    quoted = (b'"', data, b'"') if sealed else (data,)
    return b"".join((head, render_middle(sequence, key_hash(key), tail), *quoted, b"}"))


def parse(value: bytes) -> Message:
    """Take a record's value apart.

    Raises:
        MalformedRecordError: It is not a CloudEvents object of this format.
    """
    if len(value) > MAX_VALUE_BYTES:
        message = f"the record's value is larger than {MAX_VALUE_BYTES} bytes"
        raise MalformedRecordError(message)
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
    clear = {name: getattr(event, field) for name, field in CLEAR_ATTRIBUTES.items() if field in event.clear_fields}
    tail = render_tail(event.id, event.time, event.event_type, event.traceparent, clear)
    return render(head, event.sequence, event.key.encode(), tail, message.data, sealed=message.is_sealed)


def projection(event: AuditEvent) -> dict[str, Any]:
    """Return what the clear attributes of an event must say, by attribute name."""
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
    if text[:1] != b'"' or text[-1:] != b'"' or b"\\" in text:
        message = "data is not a JWE string"
        raise MalformedRecordError(message)
    return text[1:-1]


_raw_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
