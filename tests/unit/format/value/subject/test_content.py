"""The content of an event under its subject's key: opened, forgotten, and altered in every part."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from telemetry.exceptions import (
    MalformedRecordError,
    NewerReaderNeededError,
    SubjectKeyMissingError,
    TamperedError,
)
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.relayed import decode_in_place
from telemetry.format.value.subject.content import subject_part, with_content
from telemetry.format.value.subject.subject_key import SubjectKey

SHOP = "/production/shop"
KEY = SubjectKey(bytes(range(32)), source=SHOP)
PRODUCER = "0198c0de-0000-7000-8000-00000000000a"
BESIDE: dict[str, Any] = {
    "producer": PRODUCER,
    "sequence": 7,
    "id": "0198c0de-1111-7222-8333-444455556666",
    "time": "2026-01-31T12:00:00.000000Z",
    "schema_version": 2,
    "features": ["reason", "subject"],
    "event_type": "user_login",
    "service_name": "shop",
    "environment": "production",
    "outcome": "success",
    "kafka_key": KEY.kafka_key(b"ada:shop").decode(),
    "clear_fields": ["outcome"],
}
CONTENT: dict[str, Any] = {"user_id": "ada", "payload": {"card": "4242"}, "session_id": "s-1", "reason": "TICKET-9"}


class Subjects:
    """A store with one key, or one that was destroyed."""

    def __init__(self, key: SubjectKey | None) -> None:
        self._key = key
        self.asked: list[str] = []
        self.owner = KEY.source

    def key_of(self, key_id: str) -> SubjectKey | None:
        self.asked.append(key_id)
        return self._key

    def source_of(self, key_id: str) -> str:
        assert key_id in self.asked
        return self.owner


def encoded(members: dict[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False).encode()


def sealed(
    beside: dict[str, Any] | None = None, content: dict[str, Any] | None = None, *, key: SubjectKey = KEY
) -> bytes:
    beside, content = BESIDE if beside is None else beside, CONTENT if content is None else content
    return with_content(encoded(beside)[:-1], encoded(content), key=key, iv=bytes(12))


def opened(plaintext: bytes, key: SubjectKey | None = KEY) -> AuditEvent:
    return decode_in_place(plaintext, producer=PRODUCER, sequence=7, subjects=Subjects(key))


def without(members: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: member for name, member in members.items() if name not in names}


def test_event_opens_as_if_it_had_one_part() -> None:
    event = opened(sealed() + b"  ")

    assert event.subject is not None
    assert (event.subject.key, event.is_forgotten) == (KEY.key_id, False)
    assert without(event.to_dict(), "subject") == {**BESIDE, **CONTENT}


def test_forgotten_event_keeps_what_is_beside_the_content() -> None:
    event = opened(sealed(), key=None)

    assert event.is_forgotten
    assert event.to_dict() == {
        **BESIDE,
        "user_id": "forgotten",
        "payload": None,
        "subject": {"key": KEY.key_id, "forgotten": True},
    }


def test_nothing_of_the_content_is_beside_it() -> None:
    plaintext = sealed()

    assert not any(text in plaintext for text in (b"ada", b"4242", b"s-1", b"TICKET-9"))


def test_key_is_asked_for_by_its_id() -> None:
    subjects = Subjects(KEY)
    decode_in_place(sealed(), producer=PRODUCER, sequence=7, subjects=subjects)

    assert subjects.asked == [KEY.key_id]


def test_without_a_store_the_error_names_the_section() -> None:
    with pytest.raises(SubjectKeyMissingError, match=r"audit_config\.subject_keys"):
        decode_in_place(sealed(), producer=PRODUCER, sequence=7)


def test_event_from_an_outbox_has_no_place_inside() -> None:
    beside = {**without(BESIDE, "producer", "sequence"), "features": ["reason", "relayed", "subject"]}

    assert opened(sealed(beside)).sequence == 7
    assert opened(sealed(beside), key=None).producer == PRODUCER


def test_later_feature_is_named_before_the_key_is_asked_for() -> None:
    subjects = Subjects(KEY)

    with pytest.raises(NewerReaderNeededError, match="zz-later"):
        decode_in_place(
            sealed({**BESIDE, "features": ["subject", "zz-later"]}), producer=PRODUCER, sequence=7, subjects=subjects
        )
    assert subjects.asked == []


class TestAltered:
    @pytest.mark.parametrize("name", ["id", "time", "event_type", "sequence", "kafka_key"])
    def test_member_beside_the_content(self, name: str) -> None:
        other = {**BESIDE, name: 8 if name == "sequence" else "0"}
        moved = encoded(other)[:-1] + sealed()[len(encoded(BESIDE)) - 1 :]

        with pytest.raises(TamperedError, match="tag does not match"):
            opened(moved)

    def test_content_of_another_event(self) -> None:
        foreign = sealed({**BESIDE, "sequence": 8})
        swapped = encoded(BESIDE)[:-1] + foreign[len(encoded({**BESIDE, "sequence": 8})) - 1 :]

        with pytest.raises(TamperedError, match="tag does not match"):
            opened(swapped)

    def test_each_bit_of_the_content(self) -> None:
        plaintext = sealed()
        part = subject_part(plaintext)
        assert part is not None
        for at in range(len(part.sealed)):
            changed = bytearray(part.sealed)
            changed[at] ^= 1
            text = base64.urlsafe_b64encode(bytes(changed)).rstrip(b"=")
            start = plaintext.rfind(b'"sealed":"') + 10
            with pytest.raises(TamperedError):
                opened(plaintext[:start] + text + b'"}}')

    def test_key_that_the_id_does_not_name(self) -> None:
        with pytest.raises(TamperedError, match="tag does not match"):
            opened(sealed(), key=SubjectKey(bytes(32), source=SHOP))

    def test_key_of_another_services_subject(self) -> None:
        other = SubjectKey(bytes(range(32)), source="/production/billing")

        with pytest.raises(TamperedError, match="another service"):
            opened(sealed({**BESIDE, "kafka_key": other.kafka_key(b"ada:shop").decode()}, key=other), key=other)

    def test_kafka_key_of_another_user(self) -> None:
        with pytest.raises(TamperedError, match="Kafka key"):
            opened(sealed({**BESIDE, "kafka_key": KEY.kafka_key(b"bob:shop").decode()}))

    @pytest.mark.parametrize("key", [KEY, None])
    def test_no_kafka_key(self, key: SubjectKey | None) -> None:
        with pytest.raises(MalformedRecordError, match="no Kafka key"):
            opened(sealed(without(BESIDE, "kafka_key")), key)

    @pytest.mark.parametrize("key", [KEY, None])
    @pytest.mark.parametrize("features", [["reason"], []])
    def test_subject_that_the_features_do_not_name(self, key: SubjectKey | None, features: list[str]) -> None:
        with pytest.raises(MalformedRecordError):
            opened(sealed({**BESIDE, "features": features}), key)

    def test_feature_without_a_sealed_content(self) -> None:
        whole = {**BESIDE, **CONTENT, "subject": {"key": KEY.key_id}}

        with pytest.raises(MalformedRecordError, match="no content under it"):
            opened(encoded(whole))

    def test_event_that_calls_itself_forgotten(self) -> None:
        forged = {**BESIDE, "user_id": "", "payload": None, "subject": {"key": KEY.key_id, "forgotten": True}}

        with pytest.raises(MalformedRecordError, match="no content under it"):
            opened(encoded(forged))

    @pytest.mark.parametrize("end", [b"   ", b"x", b" \n", b"}"])
    def test_other_bytes_at_the_end(self, end: bytes) -> None:
        with pytest.raises(MalformedRecordError):
            opened(sealed() + end)

    @pytest.mark.parametrize("text", ["", "AAAA", "A" * 38, "A" * 41, "+" * 60])
    def test_content_in_another_form(self, text: str) -> None:
        start = sealed().rfind(b'"sealed":"') + 10

        with pytest.raises(MalformedRecordError):
            opened(sealed()[:start] + text.encode() + b'"}}')

    @pytest.mark.parametrize("content", [b"[]", b'"ada"', b"{}", b' {"user_id":"ada","payload":1}', b"\xff"])
    def test_content_that_is_no_event(self, content: bytes) -> None:
        beside = encoded(BESIDE)[:-1]

        with pytest.raises(MalformedRecordError):
            opened(with_content(beside, content, key=KEY, iv=bytes(12)))


def test_payload_that_looks_like_a_subject_is_a_payload() -> None:
    text = {"subject": {"key": KEY.key_id, "sealed": "A" * 64}}
    plain = {
        **without(BESIDE, "features", "kafka_key"),
        "schema_version": 1,
        "user_id": "ada",
        "payload": {"x": 1, **text},
    }

    event = decode_in_place(encoded(plain), producer=PRODUCER, sequence=7)

    assert event.payload == {"x": 1, **text}
    assert event.subject is None


def test_destroyed_key_of_another_service_forgets_nothing() -> None:
    subjects = Subjects(None)
    assert decode_in_place(sealed(), producer=PRODUCER, sequence=7, subjects=subjects).is_forgotten

    subjects.owner = "/production/billing"
    with pytest.raises(TamperedError, match="another service"):
        decode_in_place(sealed(), producer=PRODUCER, sequence=7, subjects=subjects)
