from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.exceptions import SubjectKeyMissingError
from telemetry.format.value import jwe
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.fast_open import KnownHeadDecoder
from telemetry.format.value.message import parse
from telemetry.format.value.open_record import open_record, sealed_bytes
from telemetry.format.value.subject.content import SubjectFinder
from telemetry.format.value.subject.subject_key import SubjectKey
from tests.vectors.make_subject import make

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "subject.json").read_text("utf-8"))

each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))


class OneKey:
    """A store with the key of a vector, or one that destroyed it."""

    def __init__(self, vector: dict[str, Any], *, is_forgotten: bool = False) -> None:
        key = SubjectKey(bytes.fromhex(vector["subject_secret"]), source="/production/shop")
        self.key = None if is_forgotten else key
        self._key_id = vector["subject_key_id"]

    def key_of(self, key_id: str) -> SubjectKey | None:
        assert key_id == self._key_id
        return self.key

    def source_of(self, key_id: str) -> str:
        assert key_id == self._key_id
        return "/production/shop"


def opened(vector: dict[str, Any], subjects: SubjectFinder | None) -> AuditEvent:
    value, data_key = vector["value"].encode(), bytes.fromhex(vector["data_key"])
    message = parse(value)
    kid = jwe.key_id(data_key, key_uri=message.key_uri, wrapped=message.wrapped_key)
    cipher, key = AESGCM(data_key), vector["key"].encode()
    event = open_record(value, key=key, message=message, cipher=cipher, kid=kid, subjects=subjects)
    fast = KnownHeadDecoder(value, message, cipher=cipher, kid=kid, subjects=subjects)
    assert fast.open(key, value) == event
    assert sealed_bytes(message, cipher=cipher, kid=kid) == vector["plaintext"].encode()
    return event


def test_generator_gives_the_published_events() -> None:
    assert make() == VECTORS


@each_vector
def test_published_record_opens_with_its_content(vector: dict[str, Any]) -> None:
    subjects = OneKey(vector)
    assert subjects.key is not None
    assert subjects.key.key_id == vector["subject_key_id"]
    event = opened(vector, subjects).to_dict()

    content = json.loads(vector["content"])
    assert {name: event[name] for name in content} == content
    assert event["subject"] == {"key": vector["subject_key_id"]}


@each_vector
def test_published_record_of_a_forgotten_subject(vector: dict[str, Any]) -> None:
    event = opened(vector, OneKey(vector, is_forgotten=True))

    assert event.is_forgotten
    content = json.loads(vector["content"])
    members = event.to_dict()
    assert (members["user_id"], members["payload"]) == ("forgotten", None)
    assert not (set(content) - {"user_id", "payload"}) & set(members)


@each_vector
def test_without_the_store_it_is_not_malformed(vector: dict[str, Any]) -> None:
    with pytest.raises(SubjectKeyMissingError):
        opened(vector, None)
