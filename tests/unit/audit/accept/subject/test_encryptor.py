"""Sealing events with a subject: what is where, which keys are used, and what happens without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.draft.fields import OwnEventType
from telemetry.audit.accept.subject.encryptor import SubjectEncryptor
from telemetry.audit.record import SealedRecord
from telemetry.encryption.data_key import ActiveKey, DataKeyring
from telemetry.format.value import jwe
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.message import context_of, parse
from telemetry.format.value.open_record import open_record, sealed_bytes
from telemetry.format.value.recipients import Wrap
from telemetry.format.value.subject.content import subject_part
from tests.services.stub_keys import StubKeys
from tests.support.subject_keys import SOURCE, MemorySubjects

PRODUCER = "018f3b1c-0000-7000-8000-000000000001"
DATA_KEY, WRAPPED, URI = bytes(range(32)), b"wrapped", "stub://kek"
FIELDS: dict[str, Any] = {
    "session_id": "session-canary",
    "entity": "order",
    "entity_id": "order-canary",
    "reason": "reason-canary",
    "tenant_id": "tenant-canary",
    "ip_address": "192.0.2.77",
    "outcome": "denied",
    "actor_type": "user",
    "changes": {"iban": ("old-canary", "new-canary")},
    "idempotency_key": "once-canary",
    "other": "metadata-canary",
}


class Bench:
    """An encryptor over one fixed data key, and a reader of what it makes."""

    def __init__(self, **settings: Any) -> None:
        self.subjects = MemorySubjects()
        self.keyring = DataKeyring(
            StubKeys(), context=context_of(SOURCE), max_age=3_600, max_uses=1_000, max_bytes=1 << 30, grace=0
        )
        self.keyring.request().result(60)
        self.encryptor = SubjectEncryptor(self.keyring, source=SOURCE, subjects=self.subjects)
        self.factory = EventFactory(
            service_name="shop",
            environment="production",
            version="1.2",
            max_event_bytes=1 << 16,
            **{"features": ("subject",), "hmac_secret": b"the secret of the service", **settings},
        )
        self.sequence = 0
        self.cipher: AESGCM | None = None

    def seal(self, user_id: Any = "ada", payload: Any = "payload-canary", **fields: Any) -> SealedRecord:
        self.subjects.give("anonymous" if user_id is None else user_id)
        record = self.encryptor.seal(
            self.factory.draft("order.paid", payload, user_id, fields), PRODUCER, self.sequence
        )
        assert record is not None
        self.sequence += 1
        return record

    def active(self) -> ActiveKey:
        key = self.keyring.take(1)
        assert key is not None
        return key

    def plaintext(self, record: SealedRecord) -> bytes:
        key, message = self.active(), parse(record.value)
        return sealed_bytes(message, cipher=key.cipher, kid=key.kid)

    def open(self, record: SealedRecord) -> AuditEvent:
        key, message = self.active(), parse(record.value)
        return open_record(
            record.value,
            key=record.key,
            message=message,
            cipher=key.cipher,
            kid=key.kid,
            subjects=self.subjects,
        )


@pytest.fixture
def bench() -> Iterator[Bench]:
    parts = Bench()
    yield parts
    parts.keyring.close()


def test_event_opens_with_every_field(bench: Bench) -> None:
    event = bench.open(bench.seal("ada", {"n": 1}, **FIELDS))

    assert (event.user_id, event.payload, event.version) == ("ada", {"n": 1}, "1.2")
    assert {name: getattr(event, name) for name in FIELDS if hasattr(event, name) and name != "changes"} == {
        name: value for name, value in FIELDS.items() if hasattr(event, name) and name != "changes"
    }
    assert event.metadata == {"other": "metadata-canary"}
    assert event.dedup is not None
    assert event.dedup.value == "once-canary"
    assert event.changes["iban"].new == "new-canary"


def test_only_what_is_beside_the_content_outlives_the_subject(bench: Bench) -> None:
    record = bench.seal("ada-canary", "payload-canary", **FIELDS)
    bench.subjects.forget("ada-canary")
    event = bench.open(record)

    assert event.is_forgotten
    assert set(event.to_dict()) == {
        *("id", "time", "event_type", "user_id", "payload", "service_name", "environment", "version"),
        *("producer", "sequence", "schema_version", "features", "kafka_key", "subject"),
    }
    everything = bench.plaintext(record) + record.key + record.value
    for name in ("canary", "192.0.2.77", "denied"):
        assert name.encode() not in everything


def test_events_of_a_user_have_one_kafka_key_until_forgotten(bench: Bench) -> None:
    before = [bench.seal("ada").key for _ in range(3)]
    other = bench.seal("bob").key
    bench.subjects.forget("ada")
    after = bench.seal("ada").key

    assert len(set(before)) == 1
    assert len({before[0], other, after}) == 3
    assert all(len(key) == 64 and bytes.fromhex(key.decode()) for key in (before[0], other, after))


def test_no_initialization_vector_is_used_twice(bench: Bench) -> None:
    outer, inner = set(), set()
    for _ in range(600):
        record = bench.seal("ada")
        part = subject_part(bench.plaintext(record))
        assert part is not None
        outer.add(record.iv)
        inner.add(part.sealed[:12])

    assert len(outer | inner) == 1_200


def test_without_a_subject_key_nothing_is_used(bench: Bench) -> None:
    uses = bench.keyring.uses_left

    assert bench.encryptor.seal(bench.factory.draft("t", 1, "nobody", {}), PRODUCER, 0) is None
    assert bench.keyring.uses_left == uses


def test_stopped_between_taking_the_key_and_the_end_of_sealing(bench: Bench) -> None:
    bench.subjects.give("ada")
    bench.subjects.is_stopped = True
    assert bench.encryptor.seal(bench.factory.draft("t", 1, "ada", {}), PRODUCER, 0) is None
    bench.subjects.is_stopped = False
    assert bench.open(bench.seal("ada")).user_id == "ada"


def test_event_of_the_library_has_no_subject(bench: Bench) -> None:
    draft = bench.factory.draft(OwnEventType("telemetry.read"), {"by": "x"}, "reader", {})
    record = bench.encryptor.seal(draft, PRODUCER, 0)
    assert record is not None

    event = bench.open(record)
    assert (event.user_id, event.subject, event.features) == ("reader", None, ())
    assert event.kafka_key == record.key.decode()
    assert bench.subjects.requests == []


def test_clear_fields_are_beside_the_content() -> None:
    bench = Bench(clear_fields=("outcome", "actor_type", "version", "occurred_at"))
    record = bench.seal("ada", **FIELDS)
    assert parse(record.value).attributes["outcome"] == "denied"
    assert bench.open(record).outcome == "denied"
    bench.subjects.forget("ada")

    event = bench.open(record)
    assert (event.outcome, event.actor_type, event.action) == ("denied", "user", None)
    assert event.clear_fields == ("version", "outcome", "actor_type")


def test_disclosable_event_commits_to_the_sealed_content() -> None:
    bench = Bench(features=("subject", "disclosable", "hidden-type"))
    record = bench.seal("ada", **FIELDS)

    assert parse(record.value).attributes["type"] == "telemetry.event"
    assert "commitment" in parse(record.value).attributes
    assert bench.open(record).event_type == "order.paid"
    bench.subjects.forget("ada")
    assert bench.open(record).is_forgotten


def test_record_that_names_the_recipients(bench: Bench) -> None:
    key = ActiveKey(
        plaintext=DATA_KEY, wrapped=WRAPPED, key_uri=URI, born_at=0, recipients=(Wrap(b"other", "stub://2"),)
    )

    class OneKey:
        def take(self, size: int) -> ActiveKey:
            assert size
            return key

    encryptor = SubjectEncryptor(OneKey(), source=SOURCE, subjects=bench.subjects)  # type: ignore[arg-type]
    bench.subjects.give("ada")
    draft = bench.factory.draft("t", {"n": 1}, "ada", {"reason": "r"})
    named = 0
    for number in range(600):
        record = encryptor.seal(draft, PRODUCER, number)
        assert record is not None
        message = parse(record.value)
        event = open_record(
            record.value, key=record.key, message=message, cipher=key.cipher, kid=key.kid, subjects=bench.subjects
        )
        named += event.recipients is not None
        assert (event.recipients is not None) is ("recipients" in event.features)
    assert named == 3


def test_size_is_that_of_the_value(bench: Bench) -> None:
    for payload in ("", "x", "ü" * 1_000, {"a": list(range(100))}):
        record = bench.seal("ada", payload)
        assert len(record.key) + len(record.value) <= record.size <= len(record.key) + len(record.value) + 40


def test_user_id_of_any_text(bench: Bench) -> None:
    for user_id in ("a:b:shop", "ü日本\u200d", 'quote"\\', "x" * 1_024, "anonymous"):
        assert bench.open(bench.seal(user_id)).user_id == user_id


def test_anonymous_events_share_a_subject(bench: Bench) -> None:
    assert bench.open(bench.seal(None)).user_id == "anonymous"


def test_plaintext_is_one_json_object(bench: Bench) -> None:
    plaintext = bench.plaintext(bench.seal("ada", **FIELDS))

    assert len(plaintext) % jwe.TEXT_MULTIPLE == 0
    members = json.loads(plaintext)
    assert list(members)[-2:] == ["kafka_key", "subject"]
    assert set(members["subject"]) == {"key", "sealed"}
