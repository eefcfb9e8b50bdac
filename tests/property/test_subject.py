"""Events with a subject: what is logged is what is read, a guess finds nothing once the key is gone, and no altered byte passes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.draft.full_event import user_text
from telemetry.audit.accept.subject.draft import SubjectDraft
from telemetry.audit.accept.subject.sealing import prepared_of, sealed_content
from telemetry.exceptions import FormatError, SubjectKeyMissingError, TamperedError
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.relayed import decode_in_place
from telemetry.format.value.subject.split import CONTENT_MEMBERS, SHOWABLE_MEMBERS
from telemetry.format.value.subject.subject_key import SubjectKey
from telemetry.format.value.template import beginning_of
from tests.support.subject_keys import MemorySubjects

PRODUCER = "018f3b1c-0000-7000-8000-000000000001"
REFUSED = (TamperedError, FormatError, SubjectKeyMissingError)
texts = st.text(min_size=1, max_size=40)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
fields = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("session_id", "actor_id", "entity", "entity_id", "tenant_id", "reason", "action"), texts),
        "outcome": st.sampled_from(("success", "failure", "denied")),
        "actor_type": st.sampled_from(("user", "service", "system", "anonymous")),
        "sensitive": st.booleans(),
        "occurred_at": st.integers(0, 4_000_000_000),
        "idempotency_key": texts,
        "changes": st.dictionaries(texts, st.tuples(values, values), min_size=1, max_size=2),
        "extra": values,
    },
)
shown = st.lists(st.sampled_from((*SHOWABLE_MEMBERS, "version", "environment")), unique=True, max_size=4).map(tuple)


def drafted(payload: Any, user_id: str, arguments: dict[str, Any], clear: tuple[str, ...]) -> SubjectDraft:
    factory = EventFactory(
        service_name="shop",
        environment="production",
        version="1",
        max_event_bytes=1 << 16,
        features=("subject",),
        clear_fields=clear,
    )
    draft = factory.draft("order.paid", payload, user_id, arguments, "repr")
    assert isinstance(draft, SubjectDraft)
    return draft


def plaintext_of(draft: SubjectDraft, subjects: MemorySubjects) -> bytes:
    key = subjects.give(draft.user_id)
    beside = (
        beginning_of(PRODUCER) % 7 + draft.json_after_sequence[: draft.content_at] + prepared_of(key, draft.key).member
    )
    return sealed_content(draft, beside, key=key, iv=bytes(12))


def read(plaintext: bytes, subjects: MemorySubjects) -> AuditEvent:
    return decode_in_place(plaintext, producer=PRODUCER, sequence=7, subjects=subjects)


@given(payload=values, user_id=texts, arguments=fields, clear=shown)
def test_what_is_logged_is_read(payload: Any, user_id: str, arguments: dict[str, Any], clear: tuple[str, ...]) -> None:
    subjects = MemorySubjects()
    draft = drafted(payload, user_id, arguments, clear)
    event = read(plaintext_of(draft, subjects), subjects)

    whole = json.loads(b"{" + draft.json_after_sequence[1:])
    members = event.to_dict()
    assert {name: members[name] for name in whole if name != "version" or name in members} == whole
    assert event.user_id == user_text(user_id)


@given(payload=values, user_id=texts, arguments=fields, clear=shown)
def test_forgotten_event_has_no_member_of_its_content(
    payload: Any, user_id: str, arguments: dict[str, Any], clear: tuple[str, ...]
) -> None:
    subjects = MemorySubjects()
    draft = drafted(payload, user_id, arguments, clear)
    plaintext = plaintext_of(draft, subjects)
    before = read(plaintext, subjects)
    subjects.forget(draft.user_id)
    event = read(plaintext, subjects)

    assert event.is_forgotten
    hidden = {*CONTENT_MEMBERS, *(set(SHOWABLE_MEMBERS) - set(event.clear_fields))} - {"user_id", "payload"}
    assert not hidden & set(event.to_dict())
    for name in (
        "id",
        "time",
        "event_type",
        "features",
        "kafka_key",
        "clear_fields",
        "sequence",
        "trace_id",
        "catalog",
    ):
        assert getattr(event, name) == getattr(before, name)
    # Two people who differ in nothing but their names leave the same bytes, but for what is random to anyone without the key.
    assert len(plaintext) == len(plaintext_of(draft, MemorySubjects()))


GENUINE_SUBJECTS = MemorySubjects()
GENUINE = plaintext_of(
    drafted({"amount": 7}, "ada", {"reason": "r", "outcome": "denied", "session_id": "s"}, ("outcome",)),
    GENUINE_SUBJECTS,
)
EVENT = read(GENUINE, GENUINE_SUBJECTS)


class OneStore:
    """The store of the genuine event's key; another id is one that it never had."""

    def key_of(self, key_id: str) -> SubjectKey:
        if EVENT.subject is None or key_id != EVENT.subject.key:
            raise SubjectKeyMissingError
        return GENUINE_SUBJECTS.keys["ada"]

    def source_of(self, key_id: str) -> str:
        return GENUINE_SUBJECTS.source_of(key_id)


@pytest.mark.parametrize("at", range(0, len(GENUINE), 7))
@pytest.mark.parametrize("bit", [1, 4, 128])
def test_flipped_bit_never_reads_as_another_event(at: int, bit: int) -> None:
    altered = GENUINE[:at] + bytes((GENUINE[at] ^ bit,)) + GENUINE[at + 1 :]
    try:
        event = decode_in_place(altered, producer=PRODUCER, sequence=7, subjects=OneStore())
    except REFUSED:
        return
    assert event == EVENT


@given(start=st.integers(0, len(GENUINE)), end=st.integers(0, len(GENUINE)), middle=st.binary(max_size=20))
def test_exchanged_bytes_never_read_as_another_event(start: int, end: int, middle: bytes) -> None:
    altered = GENUINE[: min(start, end)] + middle + GENUINE[max(start, end) :]
    try:
        event = decode_in_place(altered, producer=PRODUCER, sequence=7, subjects=OneStore())
    except REFUSED:
        return
    assert event == EVENT


@given(rubbish=st.binary(max_size=200))
def test_rubbish_is_refused(rubbish: bytes) -> None:
    with pytest.raises(REFUSED):
        decode_in_place(rubbish, producer=PRODUCER, sequence=7, subjects=OneStore())
    with pytest.raises(REFUSED):
        decode_in_place(b'{"id":"1"' + GENUINE[-200:] + rubbish, producer=PRODUCER, sequence=7, subjects=OneStore())
