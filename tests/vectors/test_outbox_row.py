from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jwe as other_jwe
from joserfc.jwk import OctKey

from telemetry.format.value import jwe
from telemetry.format.value.message import parse
from telemetry.format.value.open_record import open_clear_record, open_record
from tests.vectors.make_outbox_row import make

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "outbox_row.json").read_text("utf-8"))

each_vector = pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))


def test_generator_gives_the_published_rows() -> None:
    assert make() == VECTORS


@each_vector
def test_value_is_the_row_with_a_place(vector: dict[str, Any]) -> None:
    row, value = json.loads(vector["row"]), json.loads(vector["value"])

    assert {name: value.pop(name) for name in ("producer", "sequence")} == {
        name: vector[name] for name in ("producer", "sequence")
    }
    assert list(value.items()) == list(row["value"].items())
    assert json.loads(vector["plaintext"]).keys().isdisjoint(("producer", "sequence"))


@each_vector
def test_published_value_opens(vector: dict[str, Any]) -> None:
    key, value = json.loads(vector["row"])["key"].encode(), vector["value"].encode()
    message = parse(value)
    if vector["data_key"] is None:
        event = open_clear_record(value, key=key, message=message)
    else:
        data_key = bytes.fromhex(vector["data_key"])
        kid = jwe.key_id(data_key, key_uri=message.key_uri, wrapped=message.wrapped_key)
        event = open_record(value, key=key, message=message, cipher=AESGCM(data_key), kid=kid)

    expected = json.loads(vector["plaintext"]) | {name: vector[name] for name in ("producer", "sequence")}
    assert event.to_dict() == expected


def test_foreign_jose_library_opens_a_row() -> None:
    for vector in VECTORS[:2]:
        token = json.loads(vector["row"])["value"]["data"]
        opened = other_jwe.decrypt_compact(token, OctKey.import_key(bytes.fromhex(vector["data_key"])))
        assert opened.plaintext is not None
        assert json.loads(opened.plaintext) == json.loads(vector["plaintext"])
