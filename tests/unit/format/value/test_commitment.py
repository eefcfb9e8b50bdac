from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from telemetry.exceptions import MalformedRecordError
from telemetry.format.value.commitment import commitment_of, committed, expected_commitment, salt_member
from telemetry.format.value.event import decode_event

SALT = bytes(range(32))
EVENT: dict[str, Any] = {
    "producer": "0198c0de-0000-7000-8000-00000000000a",
    "sequence": 7,
    "salt": base64.urlsafe_b64encode(SALT).decode().rstrip("="),
    "id": "0198c0de-1111-7222-8333-444455556666",
    "time": "2026-01-31T12:00:00.000000Z",
    "schema_version": 2,
    "features": ["disclosable"],
    "event_type": "user_login",
    "user_id": "ada",
    "service_name": "shop",
    "environment": "production",
    "payload": {},
}


def plaintext(**members: Any) -> bytes:
    return json.dumps({**EVENT, **members}).encode()


def expected(text: bytes) -> str | None:
    return expected_commitment(decode_event(text), text)


def test_commitment_is_the_hash_of_the_format() -> None:
    digest = hashlib.sha256(b"telemetry event commitment v1\x00" + b"{}").digest()
    assert commitment_of(b"{}") == base64.urlsafe_b64encode(digest).decode().rstrip("=")


def test_commitment_comes_right_before_the_data() -> None:
    tail = b',"id":"1","type":"t,\\"data\\":","sessionid":"s","data":'
    assert committed(tail, b"{}") == tail[:-8] + b',"commitment":"%b","data":' % commitment_of(b"{}").encode()


def test_salt_is_a_member_after_its_comma() -> None:
    assert salt_member(SALT) == b',"salt":"%b"' % EVENT["salt"].encode()


def test_disclosable_event_has_its_commitment() -> None:
    text = plaintext() + b"  "
    assert expected(text) == commitment_of(text)
    assert expected(text) != expected(plaintext())


def test_other_event_has_none() -> None:
    assert expected(plaintext(schema_version=1, features=[])) is None
    assert expected(plaintext(features=["hidden-type"])) is None


@pytest.mark.parametrize(
    "salt",
    [
        *(None, 7, "", "A" * 42, "A" * 44, "A" * 42 + "B", "A" * 42 + "=", "A" * 43 + "\n", ["A" * 43]),
        pytest.param("A" * 10_000_000, id="10 MB"),
    ],
)
def test_salt_of_another_form_is_malformed(salt: object) -> None:
    with pytest.raises(MalformedRecordError, match="no salt of 256 bits"):
        expected(plaintext(salt=salt))


def test_absent_salt_is_malformed() -> None:
    text = json.dumps({name: value for name, value in EVENT.items() if name != "salt"}).encode()
    with pytest.raises(MalformedRecordError, match="no salt"):
        expected(text)
