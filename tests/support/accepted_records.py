"""Seals records as the intake does."""

from __future__ import annotations

from collections.abc import Iterator

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.encryptor import AuditEncryptor
from telemetry.audit.record import SealedRecord
from telemetry.encryption.data_key import DataKeyring
from telemetry.format.value.message import context_of, source_of
from tests.services.stub_keys import StubKeys

PRODUCER = "018f3b1c-0000-7000-8000-000000000001"


def sealed_records(
    count: int, *, uses_of_a_key: int, size: int = 0, features: tuple[str, ...] = ()
) -> Iterator[SealedRecord]:
    """Yield records as they come from the intake, with a new data key after every ``uses_of_a_key`` records."""
    source = source_of("production", "shop")
    keyring = DataKeyring(
        StubKeys(), context=context_of(source), max_age=60, max_uses=uses_of_a_key, max_bytes=1 << 30, grace=0
    )
    encryptor = AuditEncryptor(keyring, source=source)
    factory = EventFactory(
        service_name="shop", environment="production", version="", max_event_bytes=1 << 20, features=features
    )
    for sequence in range(count):
        draft = factory.draft("login", {"n": sequence, "text": "ü" * (size + sequence % 7)}, f"user-{sequence % 3}", {})
        while (record := encryptor.seal(draft, PRODUCER, sequence)) is None:
            keyring.request().result(60)
        yield record
    keyring.close()
