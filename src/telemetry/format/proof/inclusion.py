"""Writes and verifies inclusion proof files: a record, its path to a signed root, and that checkpoint (docs/format.md)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format import canonical_base64
from telemetry.format.proof.checkpoint import Checkpoint, parse_text, read_unverified
from telemetry.format.proof.merkle import HASH_BYTES, MAX_PATH, leaf_hash, verify_inclusion
from telemetry.format.proof.signed_note import PublicKey, parse_note, require_signed
from telemetry.format.value.message import MAX_VALUE_BYTES, Message, parse

PROOF_FORMAT = "telemetry-inclusion-proof"
PROOF_VERSION = 1
MAX_PROOF_BYTES = 2 * MAX_VALUE_BYTES


class InclusionProof(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a proof file.

    Attributes:
        sequence: Number of the record in its producer's stream.
        path: Hashes from the leaf's sibling up to the root.
        checkpoint: Signed note that covers the record.
        value: The record's value: sealed, byte for byte as it is on the topic.
    """

    sequence: int
    path: tuple[bytes, ...]
    checkpoint: str
    value: bytes


class ProvenRecord(NamedTuple):
    """A record that a trusted key has signed for.

    Attributes:
        message: The record's value, parsed but still sealed.
        value: The record's value as bytes.
        checkpoint: The signed checkpoint.
        signers: Keys that signed it, of those that were given.
    """

    message: Message
    value: bytes
    checkpoint: Checkpoint
    signers: tuple[PublicKey, ...]


class _File(msgspec.Struct, kw_only=True):
    """The members of the JSON file."""

    format: str
    version: int
    producer: str
    sequence: int
    path: list[str]
    checkpoint: str
    value: str


_decoder = msgspec.json.Decoder(_File)


def encode_proof(proof: InclusionProof) -> bytes:
    """Return the content of a proof file.

    Raises:
        FormatError: This format cannot carry the record.
    """
    message = _parse_value(proof.value)
    file = _File(
        format=PROOF_FORMAT,
        version=PROOF_VERSION,
        producer=message.attributes["producer"],
        sequence=proof.sequence,
        path=[canonical_base64.encode(node) for node in proof.path],
        checkpoint=proof.checkpoint,
        value=proof.value.decode(),
    )
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def decode_proof(data: bytes) -> InclusionProof:
    """Read a proof file without verifying it; members that this version does not know are ignored.

    Raises:
        FormatError: The data is not a proof file of a known version.
    """
    if len(data) > MAX_PROOF_BYTES:
        message = f"the proof file is larger than {MAX_PROOF_BYTES} bytes"
        raise FormatError(message)
    try:
        file = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        message = "this is not an inclusion proof file"
        raise FormatError(message) from exc
    if file.format != PROOF_FORMAT or file.version != PROOF_VERSION:
        message = f"this is not an inclusion proof of version {PROOF_VERSION}; a newer release may read it"
        raise FormatError(message)
    if len(file.path) > MAX_PATH:
        message = f"the proof's path is longer than {MAX_PATH} hashes"
        raise FormatError(message)
    path = tuple(_decode_hash(node) for node in file.path)
    return InclusionProof(sequence=file.sequence, path=path, checkpoint=file.checkpoint, value=file.value.encode())


def verify_proof(data: bytes, trusted: Sequence[PublicKey]) -> ProvenRecord:
    """Check a proof file offline.

    1. A key of those that were given signed the checkpoint; the caller judges which key may sign for which source.
    2. The record names the checkpoint's producer and source, and the sequence of the proof.
    3. The path leads from the record's leaf hash at that sequence to the signed root.

    Args:
        data: The file's content.
        trusted: Public keys that may have signed.

    Returns:
        The record and the checkpoint.

    Raises:
        FormatError: The data is not a proof file.
        TamperedError: One of the steps fails; the message says which.
    """
    proof = decode_proof(data)
    # 1.
    note = parse_note(proof.checkpoint)
    signers = require_signed(note, trusted)
    checkpoint = parse_text(note.text)
    # 2. A path proves nothing about a record that claims to be of another producer, or another number.
    message = _parse_value(proof.value)
    _require_same(message, proof, checkpoint)
    # 3.
    verify_inclusion(
        leaf_hash(proof.value),
        index=proof.sequence,
        size=checkpoint.size,
        path=proof.path,
        root=checkpoint.root,
    )
    return ProvenRecord(message, proof.value, checkpoint, signers)


def describe_proof(data: bytes) -> tuple[Message, Checkpoint]:
    """Return record and checkpoint of a proof file without verifying anything.

    Raises:
        FormatError: The data is not a proof file.
    """
    proof = decode_proof(data)
    return _parse_value(proof.value), read_unverified(proof.checkpoint)[1]


def _require_same(message: Message, proof: InclusionProof, checkpoint: Checkpoint) -> None:
    for name, actual, expected in (
        ("producer", message.attributes["producer"], checkpoint.producer),
        ("source", message.attributes["source"], checkpoint.source),
        ("sequence", message.attributes["sequence"], proof.sequence),
    ):
        if actual != expected:
            error = f"the record's {name} is not the one that the proof names"
            raise TamperedError(error)


def _parse_value(value: bytes) -> Message:
    message = parse(value)
    try:
        value.decode()
    except UnicodeDecodeError as exc:
        error = "the record's value is not UTF-8"
        raise FormatError(error) from exc
    return message


def _decode_hash(text: str) -> bytes:
    node = canonical_base64.decode(text)
    if node is None:
        message = "a hash of the proof's path is not base64 in its canonical form"
        raise FormatError(message)
    if len(node) != HASH_BYTES:
        message = "a hash of the proof's path is not 32 bytes long"
        raise FormatError(message)
    return node
