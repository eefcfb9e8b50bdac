"""Parses the value of a record: a CloudEvents 1.0 object in one canonical form (docs/format.md).

A value consists of three parts: the head, which is constant for a producer and a data key; the middle, from the sequence
to the name of the data; and the data itself, a JWE. The names between them are defined here; ``render`` writes them.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import msgspec

from telemetry.exceptions import MalformedRecordError
from telemetry.format import canonical_base64
from telemetry.format.value.recipients import ATTRIBUTE as RECIPIENTS

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
COMMITMENT = "commitment"
"""Attribute of a disclosable event, right before the data."""
MAX_SEQUENCE = (1 << 53) - 1
"""The largest integer that every JSON parser keeps (RFC 8259 section 6)."""

CLEAR_ATTRIBUTES = {
    name.replace("_", ""): name
    for name in (
        *("user_id", "version", "service_name", "environment", "session_id", "actor_id", "entity", "entity_id"),
        *("action", "outcome", "ip_address", "user_agent", "correlation_id", "sensitive"),
        *("actor_type", "tenant_id", "occurred_at"),
    )
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
_OWN = frozenset((*_REQUIRED, *_KEY_ATTRIBUTES, RECIPIENTS, "traceparent", COMMITMENT))
# 32 bytes in base64url; the unused bits of the last character are zero (RFC 4648 section 3.5).
_DIGEST = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", re.ASCII)

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
    def recipients(self) -> str | None:
        """Text of the further wraps of the data key, in a record that names them."""
        text: str | None = self.attributes.get(RECIPIENTS)
        return text

    @property
    def commitment(self) -> str | None:
        """Commitment to the sealed bytes, in the record of a disclosable event."""
        text: str | None = self.attributes.get(COMMITMENT)
        return text

    @property
    def context(self) -> dict[str, str]:
        """The encryption context of the data key, derived from ``source``."""
        return context_of(str(self.attributes["source"]))


def source_of(environment: str, service_name: str) -> str:
    """Return the CloudEvents ``source``: ``/environment/service_name`` as a URI reference (RFC 3986)."""
    return f"/{quote(environment, safe='')}/{quote(service_name, safe='')}"


def environment_of(source: str) -> str:
    """Return the beginning that the sources of all services of an environment have: ``/environment/``."""
    # Both parts are percent-encoded, so the last slash is the one between them.
    return source[: source.rfind("/") + 1]


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
    texts.append(attributes.get(RECIPIENTS, ""))
    if attributes["datacontenttype"] == SEALED:
        texts += [attributes.get(name) for name in _KEY_ATTRIBUTES]
    if COMMITMENT in attributes:
        _require_commitment(attributes)
    fits = all(isinstance(text, str) for text in texts) and type(sequence) is int and 0 <= sequence <= MAX_SEQUENCE
    if not fits or attributes["specversion"] != "1.0" or attributes["datacontenttype"] not in (SEALED, CLEAR):
        message = "the record's attributes have the wrong types or versions"
        raise MalformedRecordError(message)


def _require_commitment(attributes: dict[str, Any]) -> None:
    text = attributes[COMMITMENT]
    if not isinstance(text, str) or _DIGEST.fullmatch(text) is None:
        message = f"the attribute {COMMITMENT!r} is not base64url of 32 bytes in its canonical form"
        raise MalformedRecordError(message)
    if attributes["datacontenttype"] != SEALED:
        message = f"the record has the attribute {COMMITMENT!r}, and its content is in the clear"
        raise MalformedRecordError(message)


def _jwe_text(data: msgspec.Raw) -> bytes:
    text = bytes(data)
    # A JWE needs no escapes: with one, two texts would have the same meaning.
    if text[:1] != b'"' or text[-1:] != b'"' or b"\\" in text:
        message = "data is not a JWE string"
        raise MalformedRecordError(message)
    return text[1:-1]
