from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_structured_event
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jwe as other_jwe
from joserfc.jwk import OctKey

from telemetry.format.value import jwe
from telemetry.format.value.message import CONTENT_TYPE, parse
from telemetry.format.value.open_record import open_record
from tests.vectors.make_sealed import make

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "sealed.json").read_text("utf-8"))

each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))


def test_generator_gives_the_published_vectors() -> None:
    assert make() == VECTORS


@each_vector
def test_published_record_opens(vector: dict[str, Any]) -> None:
    key, value = vector["key"].encode(), vector["value"].encode()
    data_key = bytes.fromhex(vector["data_key"])

    message = parse(value)
    kid = jwe.key_id(data_key, key_uri=message.key_uri, wrapped=message.wrapped_key)

    event = open_record(value, key=key, message=message, cipher=AESGCM(data_key), kid=kid)

    assert json.loads(msgspec.json.encode(event)) == json.loads(vector["plaintext"])


@each_vector
def test_foreign_jose_library_opens_it(vector: dict[str, Any]) -> None:
    token = json.loads(vector["value"])["data"]
    opened = other_jwe.decrypt_compact(token, OctKey.import_key(bytes.fromhex(vector["data_key"])))

    assert opened.plaintext is not None
    assert json.loads(opened.plaintext) == json.loads(vector["plaintext"])
    assert opened.protected == {"alg": "dir", "enc": "A256GCM", "kid": vector["kid"]}


@each_vector
def test_foreign_cloudevents_library_parses_it(vector: dict[str, Any]) -> None:
    message = KafkaMessage(
        headers={"content-type": CONTENT_TYPE}, key=vector["key"].encode(), value=vector["value"].encode()
    )
    plain = json.loads(vector["plaintext"])

    event = from_structured_event(message)

    assert event.get_id() == plain["id"]
    hidden = "hidden-type" in plain.get("features", [])
    assert event.get_type() == ("telemetry.event" if hidden else plain["event_type"])
    assert not hidden or plain["event_type"] not in vector["value"]
    assert event.get_source() == json.loads(vector["value"])["source"]
    assert event.get_datacontenttype() == "application/jose"
    assert event.get_extension("sequence") == plain["sequence"]
    assert event.get_extension("producer") == plain["producer"]
