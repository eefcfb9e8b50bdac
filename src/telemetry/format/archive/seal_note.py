"""Signs, encodes and decodes seals: a C2SP signed note whose text is one line of JSON (https://c2sp.org/signed-note)."""

from __future__ import annotations

import hashlib
import re

import msgspec

from telemetry.exceptions import FormatError
from telemetry.format.archive.seal import MAX_NUMBER, MAX_SEAL_BYTES, Seal
from telemetry.format.archive.seal_form import require_form
from telemetry.format.proof.signed_note import Note, Signer, parse_note, sign_note

FIRST_LINE = "telemetry archive seal v1"
SEALS = "evidence/seals/"
"""Begins the name of every seal."""

_NAME = re.compile(rf"{SEALS}([0-9]{{8}})\.seal", re.ASCII)
_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Seal)


def seal_name(number: int) -> str:
    """Return the name of a seal in the archive's store.

    Raises:
        FormatError: There is no seal of this number.
    """
    if not 0 <= number <= MAX_NUMBER:
        message = f"there is no seal {number}: they are numbered from 0 to {MAX_NUMBER}"
        raise FormatError(message)
    return f"{SEALS}{number:08d}.seal"


def number_of(name: str) -> int | None:
    """Return the number in the name of a seal; None if it is no such name."""
    match = _NAME.fullmatch(name)
    return None if match is None else int(match[1])


def seal_digest(data: bytes) -> str:
    """Return the digest by which the next seal names this one: SHA-256 of its bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def seal_text(seal: Seal) -> str:
    """Return the text that is signed.

    Raises:
        FormatError: The format cannot carry the seal.
    """
    require_form(seal)
    text = f"{FIRST_LINE}\n{_encode(seal).decode()}\n"
    # Read back first: a signature under a text that means something else could not be taken back.
    if _parse(text) != seal:
        message = "the seal has values that its format cannot carry"
        raise FormatError(message)
    return text


def encode_seal(seal: Seal, signer: Signer) -> bytes:
    """Return a seal as it is stored.

    Raises:
        FormatError: The format cannot carry the seal, or it is larger than 16 MiB: commit less at once.
    """
    return sign_note(seal_text(seal), signer, max_bytes=MAX_SEAL_BYTES).encode()


def decode_seal(data: bytes) -> tuple[Note, Seal]:
    """Return note and seal; who signed it is not verified.

    Raises:
        FormatError: It is not a seal in the one form of this version.
    """
    if len(data) > MAX_SEAL_BYTES:
        message = f"this is not a seal: it is larger than {MAX_SEAL_BYTES} bytes"
        raise FormatError(message)
    try:
        note = parse_note(data.decode(), max_bytes=MAX_SEAL_BYTES)
    except UnicodeDecodeError as exc:
        message = "this is not a seal: it is not UTF-8"
        raise FormatError(message) from exc
    # Further signature lines, of keys that nobody knows, would change the digest and not the seal.
    if len(note.signatures) != 1:
        message = "this is not a seal: it has more than one signature"
        raise FormatError(message)
    return note, _parse(note.text)


def _parse(text: str) -> Seal:
    first, _, line = text.partition("\n")
    seal = _decoded(line) if first == FIRST_LINE else None
    if seal is None:
        message = "this is not a seal of version 1"
        raise FormatError(message)
    require_form(seal)
    return seal


def _decoded(line: str) -> Seal | None:
    try:
        seal = _decoder.decode(line)
        # One form only: two texts with one meaning would have two digests.
        return seal if f"{_encode(seal).decode()}\n" == line else None
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return None
