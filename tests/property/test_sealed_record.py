"""Alters, moves and swaps records in any way: each is refused with our own error, and no other error is raised."""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import assume, given
from hypothesis import strategies as st

from telemetry.encryption import Context, DataKey, EncryptionProvider
from telemetry.exceptions import KeyMismatchError
from telemetry.format.value import jwe
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.render import render, render_head, render_tail
from telemetry.reader import OpenedEvent, RawRecord, RecordOpener
from tests.services.sealed_records import (
    CLEAR_NAMES,
    PLACE,
    PRODUCERS,
    Sealer,
    assert_opens,
    assert_refused,
    attributes_of,
    flips,
    rewritten,
    unbounded,
)

URI = "known://kek"


class KnownProvider(EncryptionProvider):
    """Wraps with a KEK that everybody knows; it generates the same keys in every run."""

    def __init__(self) -> None:
        self._kek = AESGCM(bytes(32))
        self._numbers = itertools.count()

    def generate_data_key(self, context: Context) -> DataKey:
        plaintext = hashlib.sha256(b"data key %d" % next(self._numbers)).digest()
        iv = plaintext[:12]
        return DataKey(
            plaintext=plaintext, wrapped=iv + self._kek.encrypt(iv, plaintext, _associated(context)), key_uri=URI
        )

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:  # noqa: ARG002 - it takes any URI
        try:
            return self._kek.decrypt(wrapped[:12], wrapped[12:], _associated(context))
        except Exception as exc:
            raise KeyMismatchError("altered") from exc  # noqa: EM101 - a test's provider

    def check(self) -> None:
        """Nothing can be wrong."""


def _associated(context: Context) -> bytes:
    return json.dumps(dict(context), sort_keys=True).encode()


PROVIDER = KnownProvider()
OPENER = RecordOpener(PROVIDER, budget=unbounded())
PAYLOAD = {"card": "4111", "nested": [1, None, {"ü": 2.5}]}

_ONE = Sealer(PROVIDER)
RECORD = _ONE.seal(payload=PAYLOAD)
SAME_KEY = _ONE.seal("grace", span=2)
OTHERS = {
    "same data key": SAME_KEY,
    "same data key and user": _ONE.seal(),
    "another data key": Sealer(PROVIDER).seal(span=3),
    "another producer": Sealer(PROVIDER, producer=PRODUCERS[1]).seal("bob", span=4),
    "another service": Sealer(PROVIDER, service="billing").seal(span=5),
    "hashed Kafka key": Sealer(PROVIDER, hmac_secret=b"s" * 32).seal(span=6),
    "nothing projected": Sealer(PROVIDER, clear_fields=()).seal(span=None),
    "hidden type": Sealer(PROVIDER, features=("hidden-type",)).seal(span=7),
    "recognizable repeat": Sealer(PROVIDER, features=("hidden-type",), dedup="order-4711").seal(span=8),
    "disclosable": Sealer(PROVIDER, features=("disclosable", "hidden-type"), dedup="order-4711").seal(span=9),
    "disclosable, nothing projected": Sealer(PROVIDER, features=("disclosable",), clear_fields=()).seal(span=None),
}
GENUINE = {"the record": RECORD, **OTHERS}
# An opener that knows every head uses the fast decoder; one that never opened a record uses the full decoder.
OPENERS = {"fast": OPENER, "full": RecordOpener(PROVIDER, budget=unbounded())}
for _record in GENUINE.values():
    assert_opens(OPENER, _record)
VALUE, KEY = RECORD.value or b"", RECORD.key or b""
NAMES = (*sorted(CLEAR_NAMES), "specversion", "datacontenttype", "data")

kinds = st.sampled_from(sorted(GENUINE))
positions = st.integers(0, len(VALUE) - 1)


def _assert_refused_if_altered(record: RawRecord, value: bytes) -> None:
    if value != record.value:
        assert_refused(OPENER, record._replace(value=value))


@pytest.mark.parametrize("kind", sorted(GENUINE))
def test_untouched_record_opens(kind: str) -> None:
    assert_opens(OPENER, GENUINE[kind])


def test_record_has_every_clear_attribute() -> None:
    assert set(attributes_of(RECORD)) == set(NAMES)


@pytest.mark.parametrize("opener", sorted(OPENERS))
@pytest.mark.parametrize("kind", sorted(GENUINE))
def test_every_byte_flipped_once(kind: str, opener: str) -> None:
    for altered in flips(GENUINE[kind]):
        assert_refused(OPENERS[opener], altered)


@given(kind=kinds, at=st.integers(0, 2_000), byte=st.integers(0, 255))
def test_any_byte_of_the_value_replaced(kind: str, at: int, byte: int) -> None:
    value = bytearray(GENUINE[kind].value or b"")
    value[at % len(value)] = byte
    _assert_refused_if_altered(GENUINE[kind], bytes(value))


@given(start=positions, end=positions, to=positions)
def test_any_part_moved_removed_or_repeated(start: int, end: int, to: int) -> None:
    start, end = sorted((start, end))
    part, rest = VALUE[start:end], VALUE[:start] + VALUE[end:]
    for value in (rest, rest[:to] + part + rest[to:], VALUE[:to] + part + VALUE[to:], VALUE[:start], VALUE[end:]):
        _assert_refused_if_altered(RECORD, value)


@given(at=positions, more=st.binary(min_size=1, max_size=8))
def test_anything_put_in(at: int, more: bytes) -> None:
    _assert_refused_if_altered(RECORD, VALUE[:at] + more + VALUE[at:])
    _assert_refused_if_altered(RECORD, VALUE + more)


@given(at=st.integers(0, len(KEY) - 1), byte=st.integers(0, 255), kind=st.sampled_from(sorted(GENUINE)))
def test_any_byte_of_the_kafka_key_replaced(at: int, byte: int, kind: str) -> None:
    record = GENUINE[kind]
    key = bytearray(record.key or b"")
    key[at] = byte
    if bytes(key) != record.key:
        assert_refused(OPENER, record._replace(key=bytes(key)))


@pytest.mark.parametrize("kind", sorted(GENUINE))
def test_another_kafka_key(kind: str) -> None:
    record = GENUINE[kind]
    for key in {other.key for other in GENUINE.values()} - {record.key}:
        assert_refused(OPENER, record._replace(key=key))
    for key in (None, b"", (record.key or b"") + b"\x00", b" " + (record.key or b""), b"\xff"):
        assert_refused(OPENER, record._replace(key=key))


@pytest.mark.parametrize("other", sorted(OTHERS))
@pytest.mark.parametrize("name", NAMES)
def test_attribute_swapped_between_two_records(name: str, other: str) -> None:
    theirs = attributes_of(OTHERS[other])
    if name in theirs and theirs[name] != attributes_of(RECORD)[name]:
        assert_refused(OPENER, rewritten(RECORD, **{name: theirs[name]}))


@given(first=kinds, second=kinds, names=st.sets(st.sampled_from(NAMES)))
def test_any_attributes_swapped_between_any_two_records(first: str, second: str, names: set[str]) -> None:
    mine, other = GENUINE[first], GENUINE[second]
    theirs = attributes_of(other)
    altered = rewritten(mine, **{name: theirs[name] for name in names if name in theirs})
    assume(altered.value not in (mine.value, other.value))
    assert_refused(OPENER, altered)
    assert_refused(OPENER, altered._replace(key=other.key))


_header_names = st.sampled_from(["content-type", "telemetry-batch", "telemetry-replay", "telemetry-other", ""])


@given(headers=st.lists(st.tuples(_header_names, st.binary(max_size=20)), max_size=5), kind=kinds, at=positions)
def test_kafka_headers_are_trusted_in_nothing(headers: list[tuple[str, bytes]], kind: str, at: int) -> None:
    record = GENUINE[kind]._replace(headers=tuple(headers))
    found = OPENER.open(record)
    assert isinstance(found, OpenedEvent)
    assert msgspec.json.encode(found.event) == _opened(GENUINE[kind])
    altered = bytearray(record.value or b"")
    altered[at % len(altered)] ^= 1
    assert_refused(OPENER, record._replace(value=bytes(altered)))


@given(order=st.permutations(NAMES))
def test_attributes_in_another_order(order: list[str]) -> None:
    attributes = attributes_of(RECORD)
    value = json.dumps({name: attributes[name] for name in order}, separators=(",", ":"), ensure_ascii=False)
    _assert_refused_if_altered(RECORD, value.encode())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["another", "", None, 0, 1, True, [], {}, "\u00e9" * 43, "a\x00b"])
def test_attribute_replaced_by_another_value(name: str, text: Any) -> None:
    _assert_refused_if_altered(RECORD, rewritten(RECORD, **{name: text}).value or b"")


@pytest.mark.parametrize("name", NAMES)
def test_attribute_removed_or_given_twice(name: str) -> None:
    attributes = attributes_of(RECORD)
    left = {other: attributes[other] for other in attributes if other != name}
    _assert_refused_if_altered(RECORD, json.dumps(left, separators=(",", ":"), ensure_ascii=False).encode())
    again = b'"%b":"first",' % name.encode()
    _assert_refused_if_altered(RECORD, VALUE.replace(b"{", b"{" + again, 1))
    twice = b',"%b":%b}' % (name.encode(), msgspec.json.encode(attributes[name]))
    _assert_refused_if_altered(RECORD, VALUE[:-1] + twice)


def test_attributes_added_and_written_otherwise() -> None:
    plain = Sealer(PROVIDER, clear_fields=()).seal(span=None)
    for name, text in {"sessionid": "s-0", "traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tenant": "x"}.items():
        assert_refused(OPENER, rewritten(plain, **{name: text}))
    for written in (b" " + VALUE, VALUE + b"\n", b"\xef\xbb\xbf" + VALUE, VALUE.replace(b":", b": ", 1)):
        assert_refused(OPENER, RECORD._replace(value=written))
    escaped = VALUE.replace(b'"user_login"', b'"user\\u005flogin"')
    assert escaped != VALUE
    assert_refused(OPENER, RECORD._replace(value=escaped))


@pytest.mark.parametrize("forged", ['x","sessionid":"forged', "x\\", "x\n"])
@pytest.mark.parametrize("field", ["id", "time"])
def test_sealed_id_that_looks_like_other_attributes(field: str, forged: str) -> None:
    # Only a holder of the data key can seal this; the outside must say nothing that the sealed event does not.
    data_key = PROVIDER.generate_data_key({"service": "shop", "environment": "production", "purpose": "telemetry-audit", "format": "1"})  # fmt: skip
    kid = jwe.key_id(data_key.plaintext, key_uri=URI, wrapped=data_key.wrapped)
    head = render_head("/production/shop", PRODUCERS[0], key_uri=URI, wrapped_key=data_key.wrapped)
    genuine = json.loads(_opened(RECORD)) | {"clear_fields": []}

    def record_of(event: dict[str, Any]) -> RawRecord:
        cipher, plaintext = AESGCM(data_key.plaintext), json.dumps(event).encode()
        data = jwe.seal(cipher, protected=jwe.protected_header(kid), iv=bytes(12), plaintext=plaintext)
        tail = render_tail(
            event["id"],
            time=event["time"],
            event_type="user_login",
            traceparent=attributes_of(RECORD)["traceparent"],
        )
        return RawRecord(
            KEY, render(head, sequence=event["sequence"], key=KEY, tail=tail, data=data, sealed=True), PLACE
        )

    altered = record_of(genuine | {field: forged})
    assert_refused(OPENER, altered)
    assert_opens(OPENER, record_of(genuine))
    assert_refused(OPENER, altered)  # also with the fast decoder, now that the head is known


def _opened(record: RawRecord) -> bytes:
    found = OPENER.open(record)
    assert isinstance(found, OpenedEvent)
    return msgspec.json.encode(found.event)


texts = st.text(st.characters(codec="utf-8"))
payloads = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts.map(lambda text: text[:5]), inner, max_size=3),
    max_leaves=8,
)


@given(payload=payloads)
def test_every_payload_comes_back(payload: Any) -> None:
    found = OPENER.open(Sealer(PROVIDER).seal(payload=payload))

    assert isinstance(found, OpenedEvent)
    assert isinstance(found.event, AuditEvent)
    assert found.event.payload == payload


@given(value=st.binary(max_size=200))
def test_rubbish_is_a_damaged_record(value: bytes) -> None:
    assert_refused(OPENER, RawRecord(b"k", value, PLACE))


@given(changes=st.dictionaries(st.sampled_from(NAMES), payloads, min_size=1, max_size=4))
def test_attributes_of_any_json(changes: dict[str, Any]) -> None:
    altered = rewritten(RECORD, **changes)
    assume(altered.value != RECORD.value)
    assert_refused(OPENER, altered)


def test_standard_base64_alphabet_is_refused() -> None:
    sealer, changed = Sealer(PROVIDER), 0
    for number in range(40):
        record = sealer.seal(payload={"n": number})
        assert_opens(OPENER, record)  # from the second one on with the fast decoder
        value = record.value or b""
        begin = value.index(b"..", value.index(b'"data":"'))
        for there, other in ((b"-", b"+"), (b"_", b"/")):
            at = value.find(there, begin)
            if at > 0:
                assert_refused(OPENER, record._replace(value=value[:at] + other + value[at + 1 :]))
                changed += 1
    assert changed > 40
