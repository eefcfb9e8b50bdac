from __future__ import annotations

import os
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.audit.encryptor import AuditEncryptor
from telemetry.audit.event import EventFactory
from telemetry.audit.packing import Progress, pack, unpack
from telemetry.audit.record import SealedRecord
from telemetry.encryption import Context, DataKey, EncryptionProvider
from telemetry.encryption.data_key import DataKeyring
from telemetry.format.message import context_of, source_of

PRODUCER = "018f3b1c-0000-7000-8000-000000000001"


class Unwrapped(EncryptionProvider):
    """Keeps data keys as they are: nothing is opened here."""

    def __init__(self) -> None:
        """Needs no configuration."""

    def generate_data_key(self, context: Context) -> DataKey:
        key = os.urandom(32)
        return DataKey(plaintext=key, wrapped=context["service"].encode() + key, key_uri="none://")

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        return wrapped.removeprefix(context["service"].encode()) if key_uri else b""

    def check(self) -> None:
        """Nothing can be wrong."""


def _records(count: int, *, uses_of_a_key: int) -> Iterator[SealedRecord]:
    """Yield records as they come from the intake, with a new data key every so many."""
    source = source_of("production", "shop")
    keyring = DataKeyring(
        Unwrapped(), context=context_of(source), max_age=60, max_uses=uses_of_a_key, max_bytes=1 << 30, grace=0
    )
    encryptor = AuditEncryptor(keyring, source=source)
    factory = EventFactory(service_name="shop", environment="production", version="", max_event_bytes=1 << 20)
    for sequence in range(count):
        draft = factory.draft("login", {"n": sequence, "text": "ü" * (sequence % 7)}, f"user-{sequence % 3}", {})
        while (sealed := encryptor.seal(draft, PRODUCER, sequence)) is None:
            keyring.request().result(10)
        yield SealedRecord(draft.id, PRODUCER, sequence, draft.key, len(draft.key) + sealed.size, None, sealed)
    keyring.close()


def test_values_come_back_byte_by_byte_whatever_was_written_out_before_and_however_keys_change() -> None:
    made = list(_records(50, uses_of_a_key=8))
    written = [record.value for record in made if (record.sequence or 0) % 5 == 0]
    assert len(written) == 10

    found = [row for packed in pack(made, Progress()) for row in unpack(packed.content)]

    assert found == [(record.sequence, record.event_id, record.key, record.value) for record in made]


def test_packing_writes_no_value_out() -> None:
    made = list(_records(3, uses_of_a_key=100))

    assert [packed.content for packed in pack(made, Progress())]

    assert all(record.sealed is not None for record in made)


def test_a_checkpoint_has_no_position_and_is_not_packed() -> None:
    checkpoint = SealedRecord.written("c", producer=PRODUCER, sequence=None, key=b"p", value=b"note")
    made = [*_records(1, uses_of_a_key=100), checkpoint]

    assert [(packed.first, packed.last) for packed in pack(made, Progress())] == [(0, 0)]
    assert list(pack([checkpoint], Progress())) == []


def test_a_large_commit_is_split_and_says_where() -> None:
    made = list(_records(2_500, uses_of_a_key=10_000))

    assert [(packed.first, packed.last) for packed in pack(made, Progress())] == [
        (0, 999),
        (1_000, 1_999),
        (2_000, 2_499),
    ]


@given(st.binary(max_size=64))
def test_rubbish_is_refused(content: bytes) -> None:
    try:
        rows = unpack(content)
    except msgspec.DecodeError:
        return
    assert isinstance(rows, list)


@given(st.data())
def test_a_cut_pack_is_refused(data: st.DataObject) -> None:
    (packed,) = pack(list(_records(3, uses_of_a_key=100)), Progress())
    cut = packed.content[: data.draw(st.integers(0, len(packed.content) - 1))]

    with pytest.raises(msgspec.DecodeError):
        unpack(cut)
