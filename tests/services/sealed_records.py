"""Seals records as a process does, for tests that alter them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.encryptor import AuditEncryptor
from telemetry.encryption import EncryptionProvider
from telemetry.encryption.data_key import DataKeyring
from telemetry.encryption.unwrap.budget import UnwrapBudget
from telemetry.exceptions import KeyServiceError, TamperedError, UnknownKeysError
from telemetry.format.value.message import context_of, source_of
from telemetry.reader import DamagedRecord, OpenedEvent, Place, RawRecord, RecordOpener

PRODUCERS = ("018f3b1c-0000-7000-8000-000000000001", "018f3b1c-0000-7000-8000-000000000002")
CLEAR_FIELDS = ("session_id", "outcome", "sensitive")
CLEAR_NAMES = frozenset(
    "id type time source producer sequence keyhash traceparent keyid wrappedkey sessionid outcome sensitive".split()  # noqa: SIM905
)
"""Every attribute of a record that says something; the JWE in ``data`` comes on top."""
PLACE = Place("topic", 0, 0)


class Sealer:
    """One process's stream: its own data key, sequence from 0.

    Args:
        provider: Wraps the data key.
        producer: UUIDv7 of the stream.
        service: The service that the events belong to.
        hmac_secret: For ``key_mode="hmac"``.
        clear_fields: Event fields to project outside.
        features: Features that every event uses.
        dedup: By what repeats of its calls are recognized.
    """

    def __init__(
        self,
        provider: EncryptionProvider,
        *,
        producer: str = PRODUCERS[0],
        service: str = "shop",
        hmac_secret: bytes | None = None,
        clear_fields: tuple[str, ...] = CLEAR_FIELDS,
        features: tuple[str, ...] = (),
        dedup: str | None = None,
    ) -> None:
        self._factory = EventFactory(
            service_name=service,
            environment="production",
            version="1",
            max_event_bytes=1 << 20,
            hmac_secret=hmac_secret,
            clear_fields=clear_fields,
            features=features,
        )
        self._dedup = {} if dedup is None else {"idempotency_key": dedup}
        source = source_of("production", service)
        self._keyring = DataKeyring(
            provider, context=context_of(source), max_age=3_600, max_uses=1_000, max_bytes=1 << 30, grace=0
        )
        self._keyring.request().result(60)
        self._encryptor = AuditEncryptor(self._keyring, source=source)
        self._producer = producer
        self._sequence = 0

    def seal(self, user: str = "ada", payload: Any = None, *, span: int | None = 1) -> RawRecord:
        """Return the next record, logged inside a span of that number."""
        fields = {"session_id": f"s-{self._sequence}", "outcome": ("success", "denied")[self._sequence % 2]}
        token = trace.use_span(_span(span))
        with token:
            more = {"sensitive": self._sequence % 2 == 0, **self._dedup}
            draft = self._factory.draft("user_login", payload, user, {**fields, **more}, caller="gateway")
        sealed = self._encryptor.seal(draft, self._producer, self._sequence)
        assert sealed is not None
        value = sealed.value
        size = len(draft.key) + len(value)
        assert size <= sealed.size <= size + 20
        self._sequence += 1
        return RawRecord(draft.key, value, PLACE)


def _span(number: int | None) -> trace.Span:
    if number is None:
        return trace.INVALID_SPAN
    return NonRecordingSpan(SpanContext(number, number, is_remote=False, trace_flags=TraceFlags(number % 2)))


def attributes_of(record: RawRecord) -> dict[str, Any]:
    """Return the attributes of a record, in their order."""
    attributes: dict[str, Any] = json.loads(record.value or b"")
    return attributes


def rewritten(record: RawRecord, **changes: Any) -> RawRecord:
    """Return the record with other attributes, in the form that this library writes."""
    value = json.dumps({**attributes_of(record), **changes}, separators=(",", ":"), ensure_ascii=False)
    return record._replace(value=value.encode())


def flips(record: RawRecord) -> Iterator[RawRecord]:
    """Yield the record with one bit of one byte of its value flipped: each byte once, a letter's case where it has one."""
    value = record.value or b""
    for at, byte in enumerate(value):
        bit = 0x20 if chr(byte).isalpha() else 0x01
        yield record._replace(value=value[:at] + bytes((byte ^ bit,)) + value[at + 1 :])


def unbounded() -> UnwrapBudget:
    """Return a budget that refuses nothing: each alteration must be found out, not left unopened."""
    return UnwrapBudget(per_second=1e9, burst=1_000_000_000, breaker=1_000_000_000)


def assert_opens(opener: RecordOpener, record: RawRecord) -> None:
    """The record is genuine."""
    found = opener.open(record)
    assert isinstance(found, OpenedEvent), found


def assert_refused(opener: RecordOpener, record: RawRecord) -> None:
    """The record is refused as altered, or by the key service."""
    found = opener.open(record)
    assert isinstance(found, DamagedRecord), f"accepted: {record.value!r}"
    assert isinstance(found.error, TamperedError | KeyServiceError)
    assert not isinstance(found.error, UnknownKeysError)
