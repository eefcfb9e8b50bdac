"""The fast decoder: what it opens, and what it leaves to the full decoder."""

from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.format.value import jwe, message, render
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.fast_open import KnownHeadDecoder

DATA_KEY = bytes(range(32))
URI, WRAPPED = "stub://kek", b"wrapped"
KID = jwe.key_id(DATA_KEY, key_uri=URI, wrapped=WRAPPED)
HEAD = render.render_head("/production/shop", "0198c0de-0000-7000-8000-00000000000a", key_uri=URI, wrapped_key=WRAPPED)


def sealed(
    sequence: int, user: str = "ada", *, head: bytes = HEAD, service: str = "shop", space: bytes = b""
) -> tuple[bytes, bytes]:
    """Return key and value of an event; ``space`` is written into the cleartext part."""
    event = AuditEvent(
        id="0198c0de-1111-7222-8333-444455556666",
        time="2026-01-31T12:00:00.000000Z",
        event_type="user_login",
        user_id=user,
        payload={"n": sequence},
        service_name=service,
        environment="production",
        producer="0198c0de-0000-7000-8000-00000000000a",
        sequence=sequence,
        schema_version=1,
    )
    plaintext = msgspec.json.encode(event)
    data = jwe.seal(
        AESGCM(DATA_KEY), protected=jwe.protected_header(KID), iv=sequence.to_bytes(12, "big"), plaintext=plaintext
    )
    tail = render.render_tail(event.id, time=event.time, event_type=event.event_type)
    key = event.key.encode()
    return key, render.render(head, sequence=sequence, key=key, tail=space + tail, data=data, sealed=True)


@pytest.fixture
def decoder() -> KnownHeadDecoder:
    _, value = sealed(0)
    return KnownHeadDecoder(value, message.parse(value), cipher=AESGCM(DATA_KEY), kid=KID)


def test_records_with_the_head_open(decoder: KnownHeadDecoder) -> None:
    for sequence in range(1, 20):
        event = decoder.open(*sealed(sequence, f"user-{sequence % 3}"))
        assert event is not None
        assert event.sequence == sequence


def test_another_head_is_left_unopened(decoder: KnownHeadDecoder) -> None:
    head = HEAD.replace(b"/production/shop", b"/production/bank")

    assert decoder.open(*sealed(1, head=head, service="bank")) is None


def test_event_of_another_service_under_our_head(decoder: KnownHeadDecoder) -> None:
    assert decoder.open(*sealed(1, service="bank")) is None


def test_another_kafka_key(decoder: KnownHeadDecoder) -> None:
    _, value = sealed(1)

    assert decoder.open(b"mallory:shop", value) is None
    assert decoder.open(None, value) is None


def test_a_space_in_the_cleartext_part(decoder: KnownHeadDecoder) -> None:
    assert decoder.open(*sealed(1, space=b" ")) is None


def test_remembered_key_hashes_are_bounded(decoder: KnownHeadDecoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.format.value.fast_open._MAX_KEYS", 3)

    for sequence in range(1, 10):
        assert decoder.open(*sealed(sequence, f"user-{sequence}")) is not None
        assert len(decoder._key_hashes) <= 3
