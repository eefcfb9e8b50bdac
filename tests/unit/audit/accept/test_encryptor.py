"""Counts what sealing costs the key service, and checks that no initialization vector is reused under a key."""

from __future__ import annotations

from collections import Counter

from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.encryptor import AuditEncryptor
from telemetry.audit.record import SealedRecord
from telemetry.encryption.data_key import DataKeyring
from telemetry.format.value.message import context_of
from tests.services.stub_keys import StubKeys

SOURCE = "/production/shop"
PRODUCER = "018f3b1c-0000-7000-8000-000000000001"
PATIENCE = 20


def ring_on(keys: StubKeys, *, max_uses: int = 1_000_000) -> DataKeyring:
    ring = DataKeyring(
        keys, context=context_of(SOURCE), max_age=3_600.0, max_uses=max_uses, max_bytes=1 << 30, grace=900.0
    )
    ring.request().result(PATIENCE)
    return ring


def draft() -> EventDraft:
    factory = EventFactory(service_name="shop", environment="production", version="1", max_event_bytes=1 << 20)
    return factory.draft("order_read", {"n": 1}, "ada", {})


def sealed(encryptor: AuditEncryptor, ring: DataKeyring, event: EventDraft, number: int) -> SealedRecord:
    record = encryptor.seal(event, PRODUCER, number)
    while record is None:
        ring.request().result(PATIENCE)
        record = encryptor.seal(event, PRODUCER, number)
    return record


def test_million_sealed_events_make_two_calls() -> None:
    keys = StubKeys()
    ring, event, uses = ring_on(keys), draft(), Counter[bytes]()
    encryptor = AuditEncryptor(ring, source=SOURCE)
    for number in range(1_000_000):
        uses[sealed(encryptor, ring, event, number).jwe_header] += 1
    assert list(uses.values()) == [1_000_000], "one key seals them all"
    assert keys.calls <= 2, "that key, and the next one, fetched ahead"
    uses[sealed(encryptor, ring, event, 1_000_000).jwe_header] += 1
    assert list(uses.values()) == [1_000_000, 1], "the bound is kept to the event"
    assert keys.calls == 2
    ring.close()


def test_sealing_with_a_key_makes_no_call() -> None:
    keys = StubKeys()
    ring, event = ring_on(keys), draft()
    encryptor = AuditEncryptor(ring, source=SOURCE)
    keys.gate.clear()  # a call would hang
    for number in range(10_000):
        assert encryptor.seal(event, PRODUCER, number) is not None
    assert keys.calls == 1
    keys.gate.set()
    ring.close()


def test_no_vector_is_reused_under_a_key() -> None:
    keys = StubKeys()
    ring, event = ring_on(keys, max_uses=20_000), draft()
    encryptor = AuditEncryptor(ring, source=SOURCE)
    all_records = [sealed(encryptor, ring, event, number) for number in range(100_000)]
    assert len({record.jwe_header for record in all_records}) == 5
    assert len({(record.jwe_header, record.iv) for record in all_records}) == len(all_records)
    assert {len(record.iv) for record in all_records} == {12}
    ring.close()
