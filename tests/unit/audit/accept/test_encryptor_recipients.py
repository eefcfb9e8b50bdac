"""The record that names the recipients keeps every other feature of its event."""

from __future__ import annotations

import json
from itertools import pairwise

import msgspec
import pytest

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.encryptor import AuditEncryptor
from telemetry.encryption import Context, DataKey
from telemetry.encryption.data_key import DataKeyring
from telemetry.format.value.recipients import Wrap
from telemetry.format.value.template import with_feature
from telemetry.reader import OpenedEvent, Place, RawRecord, RecordOpener
from tests.services.stub_keys import StubKeys

PRODUCERS = ("018f3b1c-0000-7000-8000-000000000001", "018f3b1c-0000-7000-8000-000000000002")
WRAPS = (Wrap(b"\x01wrapped", "recovery-key://00"),)


class KeysWithRecipients(StubKeys):
    def generate_data_key(self, context: Context) -> DataKey:
        key = super().generate_data_key(context)
        key.recipients = WRAPS
        return key


def sealed(keys: StubKeys, *, hidden: bool, dedup: bool, count: int = 2) -> list[RawRecord]:
    factory = EventFactory(
        service_name="shop",
        environment="p",
        version="1",
        max_event_bytes=1 << 20,
        features=("hidden-type",) if hidden else (),
    )
    ring = DataKeyring(keys, context={}, max_age=3_600, max_uses=10_000, max_bytes=1 << 30, grace=0)
    ring.request().result(60)
    encryptor = AuditEncryptor(ring, source="/p/shop")
    records = []
    for producer in PRODUCERS:
        for sequence in range(count):
            draft = factory.draft(
                'pay,"event_type":ment', {"n": sequence}, "ada", {"idempotency_key": "k"} if dedup else {}
            )
            record = encryptor.seal(draft, producer, sequence)
            assert record is not None
            assert len(record.key) + len(record.value) <= record.size <= len(record.key) + len(record.value) + 20
            records.append(RawRecord(record.key, record.value, Place("topic")))
    return records


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("dedup", [False, True], ids=["plain", "dedup"])
def test_features_are_kept(hidden: bool, dedup: bool) -> None:
    keys = KeysWithRecipients()
    records = sealed(keys, hidden=hidden, dedup=dedup)
    opener = RecordOpener(keys)
    expected = sorted((["dedup"] if dedup else []) + (["hidden-type"] if hidden else []))
    for number, record in enumerate(records):
        entry = opener.open(record)
        assert isinstance(entry, OpenedEvent), entry
        names = number % 2 == 0
        assert list(entry.event.features) == sorted([*expected, *(["recipients"] if names else [])])
        assert (entry.event.recipients is not None) is names
        assert ("recipients" in json.loads(record.value or b"")) is names
        assert (entry.event.dedup is not None) is dedup
        assert entry.event.event_type == 'pay,"event_type":ment'


def test_one_record_in_512_names_them() -> None:
    records = sealed(KeysWithRecipients(), hidden=False, dedup=False, count=2_000)
    naming = [number for number, record in enumerate(records) if b'"recipients":' in (record.value or b"")]
    assert {0, 2_000} <= set(naming)
    assert max(b - a for a, b in pairwise(naming)) <= 512
    assert len(naming) <= 2 + 4_000 // 512 + 1


def test_without_recipients_every_record_is_as_before() -> None:
    records = sealed(StubKeys(), hidden=False, dedup=False, count=600)
    assert not any(b'"recipients":' in (record.value or b"") for record in records)


def test_feature_is_added_where_the_version_is() -> None:
    stamp = b',"id":"1","time":"2"'
    event = stamp + b',"schema_version":2,"features":["dedup"],"event_type":"t","payload":{"schema_version":9}}'
    changed = msgspec.json.decode(b'{"producer":"p"' + with_feature(event, "recipients", "D", at=len(stamp)))
    assert changed["features"] == ["dedup", "recipients"]
    assert (changed["recipients"], changed["payload"]) == ("D", {"schema_version": 9})
