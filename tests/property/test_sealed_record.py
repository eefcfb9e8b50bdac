from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from telemetry.audit.encryptor import AuditEncryptor
from telemetry.audit.event import EventDraft, EventFactory
from telemetry.encryption import DATA_KEY_BYTES, Context, DataKey, EncryptionProvider
from telemetry.encryption.data_key import DataKeyring
from telemetry.exceptions import KeyMismatchError, KeyServiceError, TamperedError
from telemetry.format.event import AuditEvent
from telemetry.format.message import context_of, source_of
from telemetry.reader import DamagedRecord, OpenedEvent, Place, RawRecord, RecordOpener

PRODUCER = "018f3b1c-0000-7000-8000-000000000001"
URI = "fixed://kek"


class FixedProvider(EncryptionProvider):
    """Wraps with a KEK that everybody knows."""

    def __init__(self) -> None:
        self._kek = AESGCM(bytes(32))

    def generate_data_key(self, context: Context) -> DataKey:
        plaintext = bytes(range(DATA_KEY_BYTES))
        wrapped = self._kek.encrypt(bytes(12), plaintext, _associated(context))
        return DataKey(plaintext=plaintext, wrapped=wrapped, key_uri=URI)

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        if key_uri != URI:
            raise KeyMismatchError(key_uri)
        try:
            return self._kek.decrypt(bytes(12), wrapped, _associated(context))
        except Exception as exc:
            raise KeyMismatchError("altered") from exc  # noqa: EM101 - a test's provider

    def check(self) -> None:
        """Nothing can be wrong."""


def _associated(context: Context) -> bytes:
    return json.dumps(dict(context), sort_keys=True).encode()


def _seal(sequence: int, *, service: str = "shop", user: str = "ada", payload: Any = None) -> tuple[bytes, bytes]:
    factory = EventFactory(
        service_name=service,
        environment="production",
        version="1",
        max_event_bytes=1 << 20,
        clear_fields=("session_id",),
    )
    source = source_of("production", service)
    keyring = DataKeyring(
        FixedProvider(), context=context_of(source), max_age=60, max_uses=1_000, max_bytes=1 << 30, grace=0
    )
    keyring.request().result(10)
    draft: EventDraft = factory.draft("user_login", payload, user, {"session_id": "s-1"})
    value = AuditEncryptor(keyring, source=source).seal(draft, PRODUCER, sequence)
    keyring.close()
    assert value is not None
    return draft.key, value


def _open(key: bytes | None, value: bytes) -> OpenedEvent | DamagedRecord:
    place = Place("topic", 0, 0)
    entry = RecordOpener(FixedProvider()).open(RawRecord(key, value, place))
    assert isinstance(entry, OpenedEvent | DamagedRecord)
    return entry


KEY, VALUE = _seal(7, payload={"card": "4111", "nested": [1, None, {"ü": 2.5}]})
OTHER_KEY, OTHER_VALUE = _seal(8, user="grace")


def _assert_refused(key: bytes | None, value: bytes) -> None:
    found = _open(key, value)
    assert isinstance(found, DamagedRecord)
    assert isinstance(found.error, TamperedError | KeyServiceError)


def test_the_untouched_record_opens() -> None:
    found = _open(KEY, VALUE)

    assert isinstance(found, OpenedEvent)
    assert found.event.payload == {"card": "4111", "nested": [1, None, {"ü": 2.5}]}
    assert found.event.sequence == 7


@given(at=st.integers(0, len(VALUE) - 1), bit=st.integers(0, 7))
def test_any_bit_of_the_value_flipped(at: int, bit: int) -> None:
    altered = bytearray(VALUE)
    altered[at] ^= 1 << bit

    _assert_refused(KEY, bytes(altered))


def test_every_byte_of_the_value_flipped_once() -> None:
    for at in range(len(VALUE)):
        altered = bytearray(VALUE)
        altered[at] ^= 0x01
        _assert_refused(KEY, bytes(altered))


@given(at=st.integers(0, len(KEY) - 1), bit=st.integers(0, 7))
def test_any_bit_of_the_kafka_key_flipped(at: int, bit: int) -> None:
    altered = bytearray(KEY)
    altered[at] ^= 1 << bit

    _assert_refused(bytes(altered), VALUE)


def test_kafka_key_of_another_user_or_none() -> None:
    _assert_refused(OTHER_KEY, VALUE)
    _assert_refused(None, VALUE)


@pytest.mark.parametrize(
    "name", ["id", "type", "time", "source", "producer", "sequence", "keyid", "wrappedkey", "sessionid", "data"]
)
def test_attribute_replaced(name: str) -> None:
    attributes = json.loads(VALUE)
    attributes[name] = {"sequence": 8, "wrappedkey": "AAAA", "source": "/production/other"}.get(name, "another")

    _assert_refused(KEY, _written(attributes))


@pytest.mark.parametrize("name", ["id", "time", "sequence", "data"])
def test_attribute_swapped_between_two_records(name: str) -> None:
    attributes = json.loads(VALUE)
    attributes[name] = json.loads(OTHER_VALUE)[name]

    _assert_refused(KEY, _written(attributes))


def test_wrapped_key_swapped_between_services() -> None:
    _, foreign = _seal(7, service="billing", payload={})
    attributes = json.loads(VALUE)
    attributes["wrappedkey"] = json.loads(foreign)["wrappedkey"]

    _assert_refused(KEY, _written(attributes))


def test_attributes_added_removed_moved_and_given_twice() -> None:
    attributes = json.loads(VALUE)

    _assert_refused(KEY, _written({**attributes, "tenant": "x"}))
    _assert_refused(KEY, _written({**attributes, "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}))
    _assert_refused(KEY, _written({name: attributes[name] for name in attributes if name != "sessionid"}))
    _assert_refused(KEY, _written(dict(reversed(attributes.items()))))
    _assert_refused(KEY, VALUE.replace(b'"id":', b'"id":"first","id":', 1))
    _assert_refused(KEY, VALUE.replace(b"{", b"{ ", 1))


@given(payload=st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(st.characters(codec="utf-8")), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=3), max_leaves=8))  # fmt: skip
def test_every_payload_comes_back(payload: Any) -> None:
    found = _open(*_seal(0, payload=payload))

    assert isinstance(found, OpenedEvent)
    assert isinstance(found.event, AuditEvent)
    assert found.event.payload == payload


@given(value=st.binary(max_size=200))
def test_rubbish_is_a_damaged_record(value: bytes) -> None:
    _assert_refused(b"k", value)


def _written(attributes: dict[str, Any]) -> bytes:
    return json.dumps(attributes, separators=(",", ":"), ensure_ascii=False).encode()
