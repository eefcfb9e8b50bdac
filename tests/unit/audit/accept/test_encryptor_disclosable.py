"""Disclosable events: each commits to what it seals, under a salt of its own."""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

import pytest

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.encryptor import AuditEncryptor
from telemetry.encryption import Context, DataKey
from telemetry.encryption.data_key import DataKeyring
from telemetry.format.objects.own_record import source_of_record
from telemetry.format.objects.record_lines import StoredRecord
from telemetry.format.value.disclosure import verify_disclosure
from telemetry.format.value.recipients import Wrap
from telemetry.reader import OpenedEvent, Place, RawRecord, RecordOpener
from tests.services.stub_keys import StubKeys

PRODUCER = "018f3b1c-0000-7000-8000-000000000001"


class KeysWithRecipients(StubKeys):
    def generate_data_key(self, context: Context) -> DataKey:
        key = super().generate_data_key(context)
        key.recipients = (Wrap(b"\x01wrapped", "recovery-key://00"),)
        return key


def sealed(
    keys: StubKeys, *, count: int = 2, features: tuple[str, ...] = ("disclosable",), **fields: Any
) -> list[RawRecord]:
    """Return records of equal events: nothing but id, time and sequence differs."""
    factory = EventFactory(
        service_name="shop", environment="p", version="1", max_event_bytes=1 << 20, features=features
    )
    ring = DataKeyring(keys, context={}, max_age=3_600, max_uses=10_000, max_bytes=1 << 30, grace=0)
    ring.request().result(60)
    encryptor = AuditEncryptor(ring, source="/p/shop")
    records = []
    for sequence in range(count):
        record = encryptor.seal(factory.draft("payment", {"n": 7}, "ada", fields), PRODUCER, sequence)
        assert record is not None
        assert len(record.key) + len(record.value) <= record.size <= len(record.key) + len(record.value) + 20
        records.append(RawRecord(record.key, record.value, Place("topic")))
    ring.close()
    return records


def salt_of(opener: RecordOpener, record: RawRecord) -> str:
    disclosure = opener.disclose(record)
    assert disclosure is not None
    return str(json.loads(disclosure.plaintext)["salt"])


def test_each_event_discloses_itself_alone() -> None:
    keys = StubKeys()
    opener, records = RecordOpener(keys), sealed(keys, count=3)
    for number, record in enumerate(records):
        disclosure = opener.disclose(record)
        assert disclosure is not None
        event = verify_disclosure(record.value or b"", disclosure)
        assert (event.sequence, event.payload) == (number, {"n": 7})


def test_equal_events_share_neither_salt_nor_commitment() -> None:
    keys = StubKeys()
    opener, records = RecordOpener(keys), sealed(keys, count=1_000)

    assert len({json.loads(record.value or b"")["commitment"] for record in records}) == 1_000
    assert len({salt_of(opener, record) for record in records}) == 1_000


@pytest.mark.parametrize(
    ("features", "fields"),
    [
        (("disclosable",), {}),
        (("disclosable", "hidden-type"), {"idempotency_key": "k", "reason": "ticket", "session_id": "s"}),
    ],
)
def test_record_that_names_recipients_commits_too(features: tuple[str, ...], fields: dict[str, Any]) -> None:
    keys = KeysWithRecipients()
    opener, records = RecordOpener(keys), sealed(keys, features=features, **fields)
    for record in chain(records, records):  # the second time with the fast decoder
        entry = opener.open(record)
        assert isinstance(entry, OpenedEvent), entry
        assert set(features) <= set(entry.event.features)
        assert opener.disclose(record) is not None
    assert "recipients" in json.loads(records[0].value or b"")


def test_without_the_setting_nothing_is_added() -> None:
    keys = StubKeys()
    (record,) = sealed(keys, count=1, features=())

    entry = RecordOpener(keys).open(record)

    assert isinstance(entry, OpenedEvent), entry
    assert entry.event.schema_version == 1
    assert "commitment" not in json.loads(record.value or b"")


def test_store_takes_a_disclosable_record_back() -> None:
    for record in sealed(StubKeys()):
        stored = StoredRecord(record.key or b"", record.value or b"", json.loads(record.value or b"")["sequence"])
        assert source_of_record(stored, producer=PRODUCER, may_be_clear=False) == "/p/shop"
