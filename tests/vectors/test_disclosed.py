from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jwe as other_jwe
from joserfc.jwk import OctKey

from telemetry.format.value import jwe
from telemetry.format.value.disclosure import Disclosure, verify_disclosure
from telemetry.format.value.message import parse
from telemetry.format.value.open_record import open_record
from tests.vectors.make_disclosed import make

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "disclosed.json").read_text("utf-8"))

each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))


def test_generator_gives_the_published_disclosures() -> None:
    assert make() == VECTORS


@each_vector
def test_published_record_opens_and_commits(vector: dict[str, Any]) -> None:
    key, value, data_key = vector["key"].encode(), vector["value"].encode(), bytes.fromhex(vector["data_key"])
    message = parse(value)
    kid = jwe.key_id(data_key, key_uri=message.key_uri, wrapped=message.wrapped_key)

    event = open_record(value, key=key, message=message, cipher=AESGCM(data_key), kid=kid)

    assert verify_disclosure(value, Disclosure(vector["plaintext"].encode())) == event
    assert message.commitment == vector["commitment"]
    assert list(json.loads(value))[-2:] == ["commitment", "data"]


@each_vector
def test_salt_is_in_no_opened_event(vector: dict[str, Any]) -> None:
    event = verify_disclosure(vector["value"].encode(), Disclosure(vector["plaintext"].encode()))

    salt = base64.urlsafe_b64encode(bytes.fromhex(vector["salt"])).decode().rstrip("=")
    assert json.loads(vector["plaintext"])["salt"] == salt
    assert salt not in repr(event) + json.dumps(event.to_dict())


@each_vector
def test_other_tools_check_a_disclosure(vector: dict[str, Any]) -> None:
    token = json.loads(vector["value"])["data"]
    opened = other_jwe.decrypt_compact(token, OctKey.import_key(bytes.fromhex(vector["data_key"]))).plaintext
    assert opened is not None
    assert opened == vector["plaintext"].encode()

    digest = hashlib.sha256(b"telemetry event commitment v1\x00" + opened).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == json.loads(vector["value"])["commitment"]
