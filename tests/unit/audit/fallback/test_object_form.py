"""A process with a key stores sealed objects, one without any stores lines, and the former form can be kept."""

from __future__ import annotations

import pytest

from telemetry.audit.fallback.object_form import PlainForm, SealedForm, object_form
from telemetry.config import AuditConfig
from telemetry.encryption.storage_keys import StorageKeys
from telemetry.encryption.storage_secret import StorageSecret, StorageSecrets
from telemetry.format.objects.fallback_object import decode_object
from telemetry.format.objects.record_lines import StoredRecord
from telemetry.format.objects.sealed_object import OBJECT_PURPOSE
from telemetry.format.objects.sealed_reader import SealedObjectReader
from telemetry.format.objects.stored_name import PLAIN, SEALED
from tests.vectors.make_sealed_object import FixedSigner

PRODUCER = "0198c0de-0000-7000-8000-000000000001"
RECORDS = [StoredRecord(b"key", b"{}", 0)]


def _keys(*secrets: StorageSecret) -> StorageKeys:
    return StorageKeys(StorageSecrets(secrets), sources=["/production/shop"])


def _config(*, form: int = 2) -> AuditConfig:
    fields = {"kafka_brokers": "h:9", "encryption_enabled": False, "fallback_enabled": False}
    return AuditConfig(**fields, fallback_object_format=form)  # type: ignore[arg-type]  # the literals 1 and 2


def test_sealed_object_opens_by_its_keys() -> None:
    keys = _keys(StorageSecret.of_bytes(b"1" * 32))
    form = object_form(_config(), keys, FixedSigner())

    data = form.encode(RECORDS, topic="t", producer=PRODUCER, reason="unreachable")

    reader = SealedObjectReader([data])
    assert form.shelf is SEALED
    assert reader.header.signer is not None
    assert list(reader.records(keys.open(reader.header.key, OBJECT_PURPOSE))) == RECORDS


@pytest.mark.parametrize(
    ("keys", "form", "kind"),
    [
        (_keys(StorageSecret.of_bytes(b"1" * 32)), 2, SealedForm),
        (_keys(StorageSecret.of_bytes(b"1" * 32)), 1, PlainForm),
        (_keys(), 2, PlainForm),
    ],
)
def test_form_follows_keys_and_configuration(keys: StorageKeys, form: int, kind: type) -> None:
    assert isinstance(object_form(_config(form=form), keys, None), kind)


def test_plain_object_is_lines() -> None:
    data = PlainForm().encode(RECORDS, topic="t", producer=PRODUCER, reason="unreachable")

    assert PlainForm.shelf is PLAIN
    assert decode_object(data).records == RECORDS
