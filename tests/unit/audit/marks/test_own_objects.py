"""A service sends what it stored itself: by signature, by key, or for a while by content alone; nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uuid_utils

from telemetry.audit.fallback.backlog import WaitingObject
from telemetry.audit.fallback.object_form import ObjectForm, PlainForm, SealedForm
from telemetry.audit.marks.own_objects import OwnObjects, Whose
from telemetry.audit.marks.unmarked import UnmarkedTerm
from telemetry.audit.record import SealedRecord
from telemetry.encryption.signing_key import SigningKey
from telemetry.encryption.storage_keys import StorageKeys
from telemetry.encryption.storage_secret import StorageSecret, StorageSecrets
from telemetry.exceptions import FormatError, KeyNotFoundError, TamperedError
from telemetry.format.objects.record_lines import StoredRecord
from telemetry.format.objects.stored_name import SEALED, WAITING, object_name
from telemetry.format.proof.signed_note import PublicKey
from telemetry.storage import StoredObject
from tests.support.leftovers import records
from tests.support.memory_store import MemoryStore

SOURCE = "/production/shop"
SECRET, OTHER = StorageSecret.of_bytes(b"1" * 32), StorageSecret.of_bytes(b"2" * 32)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return SigningKey.create(tmp_path_factory.mktemp("own") / "key", "correct horse battery", name="shop")


@pytest.fixture(scope="module")
def sibling(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return SigningKey.create(tmp_path_factory.mktemp("sibling") / "key", "correct horse battery", name="shop-b")


def keys_of(*secrets: StorageSecret) -> StorageKeys:
    return StorageKeys(StorageSecrets(secrets), sources=[SOURCE])


def own(
    *signers: SigningKey,
    secret: StorageSecret | None = SECRET,
    source: str = SOURCE,
    is_sealing: bool = False,
    is_shared: bool = False,
    until: datetime | None = None,
) -> OwnObjects:
    keys = keys_of(*(() if secret is None else (secret,)))
    return OwnObjects(
        source,
        keys=keys,
        form=PlainForm() if secret is None else SealedForm(keys, None),
        signers=[PublicKey.parse(signer.public_key) for signer in signers],
        is_sealing=is_sealing,
        is_shared=is_shared,
        term=UnmarkedTerm(MemoryStore(), topic="t", secrets=StorageSecrets(), until=until),
    )


def put(form: ObjectForm, batch: list[SealedRecord], *, producer: str | None = None) -> tuple[WaitingObject, bytes]:
    lines = [StoredRecord(record.key, record.value, record.sequence) for record in batch]
    return put_lines(form, lines, producer=producer or batch[0].producer)


def put_lines(form: ObjectForm, lines: list[StoredRecord], *, producer: str) -> tuple[WaitingObject, bytes]:
    data = form.encode(lines, topic="t", producer=producer, reason="unreachable")
    numbers = [line.sequence for line in lines if line.sequence is not None]
    name = object_name(
        "t",
        created_uuid7=str(uuid_utils.uuid7()),
        day="2026/01/31",
        producer=producer,
        first=numbers[0],
        last=numbers[-1],
        shelf=form.shelf,
    )
    parts = form.shelf.parse(name)
    assert parts is not None
    return WaitingObject(parts, StoredObject(form.shelf.below(WAITING, name), len(data)), form.shelf), data


def sealed(signer: SigningKey | None, *, secret: StorageSecret = SECRET, count: int = 3) -> tuple[WaitingObject, bytes]:
    return put(SealedForm(keys_of(secret), signer), records(count))


def test_own_signature_is_a_mark(key: SigningKey) -> None:
    waiting, data = sealed(key)
    opened = own(key).open(waiting, [data])

    assert opened.whose is Whose.OURS
    assert [record.sequence for record in opened.records] == [0, 1, 2]
    assert {record.producer for record in opened.records} == {waiting.producer}


def test_siblings_signature_counts_where_it_is_listed(key: SigningKey, sibling: SigningKey) -> None:
    waiting, data = sealed(sibling)

    assert own(key, sibling).open(waiting, [data]).whose is Whose.OURS
    left = own(key).open(waiting, [data])
    assert (left.whose, left.records) == (Whose.OTHERS, [])
    assert "fallback_sibling_keys" in left.reason


def test_unsigned_object_is_none_of_a_service_that_signs(key: SigningKey) -> None:
    waiting, data = sealed(None)

    assert own(key).open(waiting, [data]).whose is Whose.OTHERS


def test_secret_is_the_mark_of_a_service_that_does_not_sign(key: SigningKey) -> None:
    for signer in (None, key):
        waiting, data = sealed(signer)
        assert own().open(waiting, [data]).whose is Whose.OURS
    waiting, data = sealed(None, secret=OTHER)
    assert own().open(waiting, [data]).whose is Whose.OTHERS


def test_own_object_under_a_lost_secret_is_no_others(key: SigningKey) -> None:
    waiting, data = sealed(key, secret=OTHER)

    with pytest.raises(KeyNotFoundError, match="former_storage_secret_files"):
        own(key).open(waiting, [data])


def test_renamed_or_altered_object_is_an_alteration(key: SigningKey) -> None:
    waiting, data = sealed(key)
    renamed = waiting._replace(parts=waiting.parts._replace(last=7))

    with pytest.raises(TamperedError):
        own(key).open(renamed, [data])
    with pytest.raises(TamperedError):
        own(key).open(waiting, [data[:-1]])
    with pytest.raises(TamperedError):
        own(key).open(waiting, [data.replace(b'"unreachable"', b'"unavailable"')])


def test_other_services_events_are_left(key: SigningKey) -> None:
    waiting, data = sealed(key)

    assert own(key, source="/production/other").open(waiting, [data]).whose is Whose.OTHERS


def test_gateway_sends_the_events_of_its_callers(key: SigningKey, sibling: SigningKey) -> None:
    waiting, data = sealed(key)
    gateway = own(key, source="/production/gateway", is_shared=True)

    opened = gateway.open(waiting, [data])
    assert (opened.whose, len(opened.records)) == (Whose.OURS, 3)
    assert [record.sequence for record in gateway.records_of(waiting.parts, [data], is_sealed=True)] == [0, 1, 2]
    assert own(sibling, source="/production/gateway", is_shared=True).open(waiting, [data]).whose is Whose.OTHERS


def test_gateway_leaves_the_events_of_another_environment(key: SigningKey) -> None:
    waiting, data = sealed(key)
    assert own(key, source="/staging/gateway", is_shared=True).open(waiting, [data]).whose is Whose.OTHERS

    waiting, data = put(PlainForm(), records(3))
    assert own(source="/staging/gateway", secret=None, is_shared=True).open(waiting, [data]).whose is Whose.OTHERS


def test_gateway_without_keys_sends_the_events_of_its_callers() -> None:
    waiting, data = put(PlainForm(), records(3))

    assert own(source="/production/gateway", secret=None, is_shared=True).open(waiting, [data]).whose is Whose.OURS
    assert own(source="/production/gateway", is_shared=True).open(waiting, [data]).whose is Whose.OTHERS


def test_unmarked_object_is_accepted_for_a_while() -> None:
    waiting, data = put(PlainForm(), records(3))

    opened = own().open(waiting, [data])
    assert (opened.whose, len(opened.records)) == (Whose.UNMARKED, 3)
    over = own(until=datetime(2026, 1, 1, tzinfo=UTC)).open(waiting, [data])
    assert (over.whose, over.records) == (Whose.EXPIRED, [])
    assert "telemetry fallback accept" in over.reason


def test_plain_object_is_the_own_form_of_a_service_without_keys() -> None:
    waiting, data = put(PlainForm(), records(3))

    assert own(secret=None, until=datetime(2026, 1, 1, tzinfo=UTC)).open(waiting, [data]).whose is Whose.OURS


def test_clear_event_is_none_of_a_service_that_seals() -> None:
    waiting, data = put(PlainForm(), records(1))

    with pytest.raises(FormatError, match="not sealed"):
        own(is_sealing=True).open(waiting, [data])


def test_plain_object_of_another_service_is_left() -> None:
    waiting, data = put(PlainForm(), records(2))

    assert own(source="/production/other").open(waiting, [data]).whose is Whose.OTHERS


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record._replace(value=b'{"not":"even ours"}'),
        lambda record: record._replace(key=b"ceo:shop"),
        lambda record: record._replace(value=record.value.replace(b'"specversion"', b' "specversion"')),
        lambda record: record._replace(value=record.value.replace(b'"sequence":0', b'"sequence":1')),
        lambda record: record._replace(value=record.value.replace(b'"type":"login"', b'"type":"login","userid":"ceo"')),
        lambda record: record._replace(value=record.value[:-1] + b',"x":1}'),
        lambda record: record._replace(value=b"\xc3\xa9"),
        lambda record: record._replace(sequence=None),
    ],
)
def test_record_that_is_not_canonical_is_refused(change: Callable[[StoredRecord], StoredRecord]) -> None:
    (record,) = records(1)
    line = change(StoredRecord(record.key, record.value, 0))
    waiting, data = put_lines(PlainForm(), [line, StoredRecord(record.key, record.value, 0)], producer=record.producer)

    with pytest.raises((FormatError, TamperedError)):
        own().open(waiting, [data])


def test_operator_vouches_for_an_object(key: SigningKey, sibling: SigningKey, tmp_path: Path) -> None:
    del tmp_path
    for waiting, data in (sealed(sibling), sealed(None), put(PlainForm(), records(3))):
        is_sealed = waiting.shelf is SEALED
        found = list(own(key).records_of(waiting.parts, [data], is_sealed=is_sealed))
        assert [record.sequence for record in found] == [0, 1, 2]
    waiting, data = put(PlainForm(), records(3))
    with pytest.raises(TamperedError, match="another service"):
        list(own(key, source="/production/other").records_of(waiting.parts, [data], is_sealed=False))


def test_upgrade_is_remembered_where_objects_are_sealed() -> None:
    for form, count in ((SealedForm(keys_of(SECRET), None), 1), (PlainForm(), 0)):
        store = MemoryStore()
        term = UnmarkedTerm(store, topic="t", secrets=StorageSecrets([SECRET]))
        OwnObjects(SOURCE, keys=keys_of(SECRET), form=form, is_sealing=False, term=term).begin()
        assert len(store.objects) == count
