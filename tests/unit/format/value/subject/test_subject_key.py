"""The keys of a subject: bound to secret and service, and never printed or copied."""

from __future__ import annotations

import copy
import pickle

import pytest

from telemetry.format.value.subject.subject_key import SubjectKey, is_key_id

SECRET = bytes(range(32))
SHOP = "/production/shop"


def test_id_commits_to_secret_and_service() -> None:
    ids = {
        SubjectKey(secret, source=source).key_id for secret in (SECRET, bytes(32)) for source in (SHOP, "/test/shop")
    }

    assert len(ids) == 4
    assert all(map(is_key_id, ids))
    assert SubjectKey(SECRET, source=SHOP).key_id == SubjectKey(SECRET, source=SHOP).key_id


def test_kafka_key_needs_the_secret() -> None:
    one, other = SubjectKey(SECRET, source=SHOP), SubjectKey(bytes(32), source=SHOP)

    assert one.kafka_key(b"ada:shop") == one.kafka_key(b"ada:shop") != other.kafka_key(b"ada:shop")
    assert one.kafka_key(b"ada:shop") != one.kafka_key(b"bob:shop")
    assert len(bytes.fromhex(one.kafka_key(b"ada:shop").decode())) == 32


def test_secret_is_in_no_text_pickle_or_copy() -> None:
    key = SubjectKey(SECRET, source=SHOP)

    assert SECRET.hex() not in repr(key)
    assert key.key_id in repr(key)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be pickled"):
            attempt(key)


@pytest.mark.parametrize("secret", [b"", bytes(31), bytes(33)])
def test_secret_of_another_length_is_refused(secret: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        SubjectKey(secret, source=SHOP)


@pytest.mark.parametrize("text", ["", "a" * 31, "a" * 33, "a" * 31 + "=", "a" * 31 + "\n", "é" * 32])
def test_other_texts_are_no_key_ids(text: str) -> None:
    assert not is_key_id(text)
