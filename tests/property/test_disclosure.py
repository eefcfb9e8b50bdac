"""Discloses events of any content, and alters what is disclosed: nothing but the logged content is confirmed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from telemetry.exceptions import NewerReaderNeededError, TamperedError
from telemetry.format.value.commitment import commitment_of
from telemetry.reader import Disclosure, RawRecord, RecordOpener, verify_disclosure
from tests.property.test_sealed_record import PROVIDER, payloads
from tests.services.sealed_records import Sealer, attributes_of, rewritten, unbounded

OPENER = RecordOpener(PROVIDER, budget=unbounded())
SEALER = Sealer(PROVIDER, features=("disclosable",))
RECORDS = [SEALER.seal(user, payload={"n": number}) for number, user in enumerate(("ada", "ada", "grace"))]
OUTSIDE = {"keyid", "wrappedkey", "data"}
"""What a disclosure says nothing about: which key has sealed the event, and the ciphertext. The leaf hash covers both."""


def disclosed(record: RawRecord) -> Disclosure:
    disclosure = OPENER.disclose(record)
    assert disclosure is not None
    return disclosure


DISCLOSURES = [disclosed(record) for record in RECORDS]
TEXT, VALUE = DISCLOSURES[0].plaintext, RECORDS[0].value or b""
places = st.integers(0, len(TEXT) - 1)


def assert_refused(value: bytes, plaintext: bytes) -> None:
    with pytest.raises(TamperedError):
        verify_disclosure(value, Disclosure(plaintext))


@given(payload=payloads, user=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_any_content_is_confirmed(payload: Any, user: str) -> None:
    record = Sealer(PROVIDER, features=("disclosable", "hidden-type")).seal(user, payload=payload)

    event = verify_disclosure(record.value or b"", disclosed(record))

    assert event.payload == payload


@given(at=places, byte=st.integers(0, 255))
def test_any_byte_of_the_content_replaced(at: int, byte: int) -> None:
    assume(TEXT[at] != byte)
    assert_refused(VALUE, TEXT[:at] + bytes((byte,)) + TEXT[at + 1 :])


@given(start=places, end=places, to=places)
def test_any_part_of_the_content_moved_or_removed(start: int, end: int, to: int) -> None:
    start, end = sorted((start, end))
    part, rest = TEXT[start:end], TEXT[:start] + TEXT[end:]
    for changed in (rest, rest[:to] + part + rest[to:], TEXT[:start], TEXT[end:], TEXT + part):
        if changed != TEXT:
            assert_refused(VALUE, changed)


@given(one=st.sampled_from(range(3)), other=st.sampled_from(range(3)))
def test_disclosures_of_two_records_swapped(one: int, other: int) -> None:
    assume(one != other)
    assert_refused(RECORDS[one].value or b"", DISCLOSURES[other].plaintext)


@pytest.mark.parametrize("name", sorted(set(attributes_of(RECORDS[0])) - OUTSIDE))
@pytest.mark.parametrize("other", [1, 2])
def test_attribute_of_another_record(name: str, other: int) -> None:
    theirs = attributes_of(RECORDS[other])[name]
    altered = rewritten(RECORDS[0], **{name: theirs})
    if altered.value != VALUE:
        assert_refused(altered.value or b"", TEXT)


@given(plaintext=st.binary(max_size=300))
def test_rubbish_that_is_committed_to(plaintext: bytes) -> None:
    value = rewritten(RECORDS[0], commitment=commitment_of(plaintext)).value or b""
    assert_refused(value, plaintext)


@given(members=st.dictionaries(st.sampled_from(sorted(json.loads(TEXT))), payloads, min_size=1, max_size=3))
def test_members_of_any_json_that_are_committed_to(members: dict[str, Any]) -> None:
    genuine = json.loads(TEXT)
    assume(any(genuine[name] != value for name, value in members.items() if name != "payload"))
    plaintext = json.dumps({**genuine, **members}).encode()
    value = rewritten(RECORDS[0], commitment=commitment_of(plaintext)).value or b""
    try:
        event = verify_disclosure(value, Disclosure(plaintext))
    except (TamperedError, NewerReaderNeededError):
        return
    # What was changed is nowhere outside, so only the writer's commitment says anything of it.
    assert {"id", "time", "event_type", "user_id", "producer", "sequence", "features"}.isdisjoint(
        name for name in members if genuine[name] != members[name]
    )
    assert event.id == genuine["id"]
