"""The fast decoder gives exactly what the full decoder gives, or nothing: for every altered, inserted and missing byte."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from telemetry.exceptions import TelemetryError
from telemetry.format.value import jwe
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.fast_open import KnownHeadDecoder
from telemetry.format.value.message import parse
from telemetry.format.value.open_record import open_record
from telemetry.reader import RawRecord
from tests.property.test_sealed_record import GENUINE, KEY, PROVIDER, VALUE, payloads
from tests.services.sealed_records import Sealer

KINDS = sorted(GENUINE)
INSERTED = b' \n\t"\\,:.{}[]AZaz019-_+/=\x00\x7f\xff'


def data_key_of(value: bytes) -> tuple[AESGCM, str]:
    message = parse(value)
    data_key = PROVIDER.unwrap(message.wrapped_key, message.key_uri, message.context)
    return AESGCM(data_key), jwe.key_id(data_key, key_uri=message.key_uri, wrapped=message.wrapped_key)


def decoder_of(value: bytes) -> KnownHeadDecoder:
    cipher, kid = data_key_of(value)
    return KnownHeadDecoder(value, parse(value), cipher=cipher, kid=kid)


def fully_opened(key: bytes | None, value: bytes) -> AuditEvent | None:
    """Return what the full decoder gives; None where it refuses."""
    try:
        cipher, kid = data_key_of(value)
        return open_record(value, key=key, message=parse(value), cipher=cipher, kid=kid)
    except TelemetryError:
        return None


def assert_agrees(decoder: KnownHeadDecoder, key: bytes | None, value: bytes) -> None:
    event = decoder.open(key, value)
    assert event is None or event == fully_opened(key, value)


DECODER = decoder_of(VALUE)


@pytest.mark.parametrize("of", KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_genuine_records_of_every_kind(of: str, kind: str) -> None:
    record, decoder = GENUINE[kind], decoder_of(GENUINE[of].value or b"")

    assert_agrees(decoder, record.key, record.value or b"")
    if of == kind:
        assert decoder.open(record.key, record.value or b"") is not None


def test_every_byte_altered_to_every_other() -> None:
    for value in altered_bytes(VALUE):
        assert DECODER.open(KEY, value) is None


def test_every_byte_altered_is_refused_fully() -> None:
    # The same for the full decoder, with fewer values: it is slower.
    for position, byte in enumerate(VALUE):
        value = VALUE[:position] + bytes((byte ^ 1,)) + VALUE[position + 1 :]
        assert fully_opened(KEY, value) is None


@pytest.mark.parametrize("byte", INSERTED)
def test_a_byte_inserted_anywhere(byte: int) -> None:
    more = bytes((byte,))
    for position in range(len(VALUE) + 1):
        assert_agrees(DECODER, KEY, VALUE[:position] + more + VALUE[position:])


def test_cut_anywhere() -> None:
    for position in range(len(VALUE)):
        assert_agrees(DECODER, KEY, VALUE[:position])
        assert_agrees(DECODER, KEY, VALUE[position + 1 :])
        assert_agrees(DECODER, KEY, VALUE[:position] + VALUE[position + 1 :])


@given(kind=st.sampled_from(KINDS), start=st.integers(0, 2_000), end=st.integers(0, 2_000), more=st.binary(max_size=8))
def test_any_part_replaced(kind: str, start: int, end: int, more: bytes) -> None:
    record = GENUINE[kind]
    value = record.value or b""
    start, end = sorted((start % len(value), end % len(value)))

    assert_agrees(decoder_of(value), record.key, value[:start] + more + value[end:])


@given(key=st.none() | st.binary(max_size=12) | st.sampled_from([record.key for record in GENUINE.values()]))
def test_any_kafka_key(key: bytes | None) -> None:
    assert_agrees(DECODER, key, VALUE)


@given(user=st.text(min_size=1, max_size=8), payload=payloads)
def test_any_event_of_the_same_head(user: str, payload: object) -> None:
    sealer = Sealer(PROVIDER)
    first = sealer.seal()
    record = sealed_or_none(sealer, user, payload)
    if record is None:
        return
    event = decoder_of(first.value or b"").open(record.key, record.value or b"")

    assert event is not None
    assert event == fully_opened(record.key, record.value or b"")


def altered_bytes(value: bytes) -> Iterator[bytes]:
    for position, byte in enumerate(value):
        before, after = value[:position], value[position + 1 :]
        for other in range(256):
            if other != byte:
                yield before + bytes((other,)) + after


def sealed_or_none(sealer: Sealer, user: str, payload: object) -> RawRecord | None:
    """Return the record of an event; None where ``log()`` refuses the user."""
    try:
        return sealer.seal(user, payload)
    except TelemetryError:
        return None
