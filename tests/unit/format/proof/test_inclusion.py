"""Inclusion proof files: what proves a record offline, and what must not."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from telemetry.exceptions import FormatError, TamperedError, TelemetryError
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message
from telemetry.format.proof.inclusion import InclusionProof, decode_proof, describe_proof, encode_proof, verify_proof
from telemetry.format.proof.merkle import InclusionPathBuilder, leaf_hash
from tests.support.written_trail import Process, Signer

SIZE, INDEX = 23, 11
SIGNER = Signer()


def make_proof(number: int = 1, *, index: int = INDEX) -> InclusionProof:
    process = Process(number)
    values = [process.log().value or b"" for _ in range(SIZE)]
    builder = InclusionPathBuilder(index)
    for value in values:
        builder.append(leaf_hash(value))
    message = decode_checkpoint_message(process.checkpoint().value or b"")
    assert message is not None
    return InclusionProof(sequence=index, path=tuple(builder.path()), checkpoint=message.data, value=values[index])


PROOF = make_proof()
FILE: dict[str, Any] = json.loads(encode_proof(PROOF))


def encoded(**changes: object) -> bytes:
    return json.dumps({**FILE, **changes}).encode()


def test_a_record_is_proven_offline() -> None:
    proven = verify_proof(encode_proof(PROOF), [Signer(2).public, SIGNER.public])
    assert proven.value == PROOF.value
    assert proven.message.attributes["sequence"] == INDEX
    assert proven.checkpoint.size == SIZE


def test_every_record_can_be_proven() -> None:
    for index in range(SIZE):
        verify_proof(encode_proof(make_proof(index=index)), [SIGNER.public])


def test_proof_file_round_trip() -> None:
    assert decode_proof(encode_proof(PROOF)) == PROOF


def test_unknown_members_are_ignored() -> None:
    verify_proof(encoded(remark="filed by the auditor"), [SIGNER.public])


def test_description_needs_no_key() -> None:
    message, checkpoint = describe_proof(encode_proof(PROOF))
    assert (message.attributes["sequence"], checkpoint.size) == (INDEX, SIZE)


def test_forged_with_another_key() -> None:
    with pytest.raises(TamperedError, match="no trusted key"):
        verify_proof(encode_proof(PROOF), [Signer(2).public])
    with pytest.raises(TamperedError, match="no trusted key"):
        verify_proof(encode_proof(PROOF), [])


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": INDEX + 1},
        {"value": FILE["value"].replace("payment", "refund!")},
        {"value": FILE["value"] + " "},
        {"path": FILE["path"][:-1]},
        {"path": FILE["path"][::-1]},
        {"path": [*FILE["path"], FILE["path"][0]]},
        {"path": []},
        {"checkpoint": FILE["checkpoint"].replace("\n23\n", "\n24\n")},
        {"checkpoint": make_proof(2).checkpoint},
        {"value": make_proof(2).value.decode()},
        {"value": make_proof(index=INDEX - 1).value.decode()},
    ],
)
def test_altered_proof_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(TamperedError):
        verify_proof(encoded(**change), [SIGNER.public])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b"\xff",
        encoded(version=2),
        encoded(format="something else"),
        encoded(path="one"),
        encoded(path=["!"]),
        encoded(path=["\u2014"]),
        encoded(path=[base64.b64encode(b"short").decode()]),
        encoded(path=FILE["path"] * 30),
        encoded(sequence="eleven"),
        encoded(checkpoint="not a note"),
    ],
)
def test_malformed_proof_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        verify_proof(data, [SIGNER.public])


def test_proof_of_a_malformed_record() -> None:
    with pytest.raises(TelemetryError):
        encode_proof(InclusionProof(sequence=0, path=(), checkpoint="", value=b"{}"))


def test_any_altered_byte_is_found_or_harmless() -> None:
    data = encode_proof(PROOF)
    for at in range(0, len(data), 11):
        altered = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        try:
            proven = verify_proof(altered, [SIGNER.public])
        except (FormatError, TamperedError):
            continue
        assert proven.value == PROOF.value
