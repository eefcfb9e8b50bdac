"""Signs, parses and verifies signed notes with Ed25519 (C2SP signed-note, https://c2sp.org/signed-note)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format import canonical_base64

MAX_NOTE_BYTES = 64 << 10
MAX_SIGNATURES = 64
MAX_NAME_BYTES = 255
ED25519 = b"\x01"
"""Signature type identifier (C2SP signed-note, "Signature types")."""

_KEY_ID_BYTES = 4
_KEY_BYTES = 32
_DASH = "\u2014 "
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]+")


class Signer(Protocol):
    """Signs notes: an object that has an Ed25519 key and a name for it."""

    @property
    def name(self) -> str:
        """The key's name, as the signature line has it."""

    @property
    def public_key(self) -> str:
        """The verifier key, as :meth:`PublicKey.parse` reads it."""

    def sign(self, text: bytes) -> bytes:
        """Return the Ed25519 signature of the text (RFC 8032)."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A verifier key.

    Attributes:
        name: The key's name.
        key: 32 bytes (RFC 8032 section 5.1.5).

    Raises:
        FormatError: The name is not the name of a key, or the key is not 32 bytes long.
    """

    name: str
    key: bytes

    def __post_init__(self) -> None:
        require_name(self.name)
        if len(self.key) != _KEY_BYTES:
            message = f"the public key {self.name!r} is not 32 bytes long"
            raise FormatError(message)

    @property
    def key_id(self) -> bytes:
        """First 4 bytes of SHA-256(name || newline || 0x01 || key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.key).digest()[:_KEY_ID_BYTES]

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Read a verifier key: ``name+hex(key id)+base64(0x01 || key)``.

        Raises:
            FormatError: The text is not a verifier key, or its key id does not match its name and key.
        """
        parts = text.strip().split("+", 2)
        encoded = canonical_base64.decode(parts[-1])
        if len(parts) != 3 or encoded is None or encoded[:1] != ED25519 or len(encoded) != 1 + _KEY_BYTES:  # noqa: PLR2004
            message = "the public key is not of the form NAME+ID+KEY with an Ed25519 key"
            raise FormatError(message)
        key = cls(parts[0], encoded[1:])
        if parts[1] != key.key_id.hex():
            message = f"the public key {key.name!r} was altered: its id does not match its name and key"
            raise FormatError(message)
        return key

    def verify(self, text: bytes, signature: bytes) -> bool:
        """Return whether the signature is this key's over the text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True

    def __str__(self) -> str:
        encoded = canonical_base64.encode(ED25519 + self.key)
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


class SignatureLine(NamedTuple):
    """One signature line of a note, not yet verified.

    Attributes:
        name: Name of the key that is said to have signed.
        key_id: Id of that key.
        signature: The signature over the note's text.
    """

    name: str
    key_id: bytes
    signature: bytes

    @property
    def label(self) -> str:
        """Name and key id, for messages and reports."""
        return f"{self.name}+{self.key_id.hex()}"


class Note(NamedTuple):
    """A note, parsed but not verified.

    Attributes:
        text: The signed text, with its last newline.
        signatures: The signature lines, at least one.
    """

    text: str
    signatures: tuple[SignatureLine, ...]


def require_name(name: str) -> None:
    """Raise ``FormatError`` unless ``name`` can be the name of a key: not empty, no space, plus sign or control character."""
    if not _NAME.fullmatch(name) or len(name.encode("utf-8", "replace")) > MAX_NAME_BYTES or not _is_utf8(name):
        message = "a key's name is 1 to 255 bytes without spaces, plus signs and control characters"
        raise FormatError(message)


def sign_note(text: str, signer: Signer, *, max_bytes: int = MAX_NOTE_BYTES) -> str:
    """Return the note: the text, an empty line and the signature.

    Args:
        text: Lines without control characters, the last one with its newline.
        signer: Signs the text.
        max_bytes: Largest note that its readers accept.

    Raises:
        FormatError: The text or the signer's name cannot be part of a note.
    """
    if not text.endswith("\n") or _CONTROL.search(text) or not _is_utf8(text):
        message = "the text of a note is lines without control characters"
        raise FormatError(message)
    key = PublicKey.parse(signer.public_key)
    encoded = canonical_base64.encode(key.key_id + signer.sign(text.encode()))
    note = f"{text}\n{_DASH}{key.name} {encoded}\n"
    parse_note(note, max_bytes=max_bytes)  # a note that nobody could read back must not leave the process
    return note


def parse_note(note: str, *, max_bytes: int = MAX_NOTE_BYTES) -> Note:
    """Parse a note without verifying it.

    Args:
        note: The note.
        max_bytes: Largest note that is accepted.

    Raises:
        FormatError: The text is not a signed note.
    """
    if len(note) > max_bytes or not _is_utf8(note) or _CONTROL.search(note):
        message = "the note is too long or has control characters"
        raise FormatError(message)
    # The text may have empty lines: the last one in the note ends it.
    body, separator, rest = note.rpartition("\n\n")
    lines = rest.split("\n")
    if not separator or lines.pop() or not 0 < len(lines) <= MAX_SIGNATURES:
        message = "the note has no text or no signature lines"
        raise FormatError(message)
    return Note(body + "\n", tuple(_parse_signature(line) for line in lines))


def verify_note(note: Note, trusted: Sequence[PublicKey]) -> tuple[PublicKey, ...]:
    """Return the trusted keys that signed; empty if no trusted key did.

    Raises:
        TamperedError: A signature names a trusted key and was not made with it.
    """
    known = {(key.name, key.key_id): key for key in trusted}
    text = note.text.encode()
    signed = []
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is None:
            continue  # a witness that this reader does not know (C2SP signed-note, "Verifying")
        if not key.verify(text, line.signature):
            message = f"the signature of {line.label} does not match the note's text: it was altered or forged"
            raise TamperedError(message)
        signed.append(key)
    return tuple(signed)


def open_note(note: str, trusted: Sequence[PublicKey]) -> str:
    """Return the text of a note that a trusted key signed.

    Raises:
        FormatError: The text is not a signed note.
        TamperedError: No trusted key signed it.
    """
    parsed = parse_note(note)
    require_signed(parsed, trusted)
    return parsed.text


def require_signed(note: Note, trusted: Sequence[PublicKey]) -> tuple[PublicKey, ...]:
    """Return the trusted keys that signed a note.

    Raises:
        TamperedError: No trusted key signed it, or a signature names one and was not made with it.
    """
    signers = verify_note(note, trusted)
    if not signers:
        labels = ", ".join(line.label for line in note.signatures)
        message = f"no trusted key signed the note; it is signed by {labels}"
        raise TamperedError(message)
    return signers


def _parse_signature(line: str) -> SignatureLine:
    parts = line.removeprefix(_DASH).split(" ")
    encoded = canonical_base64.decode(parts[-1])
    if not line.startswith(_DASH) or len(parts) != 2 or encoded is None or len(encoded) <= _KEY_ID_BYTES:  # noqa: PLR2004
        message = "a signature line of the note is malformed"
        raise FormatError(message)
    require_name(parts[0])
    return SignatureLine(parts[0], encoded[:_KEY_ID_BYTES], encoded[_KEY_ID_BYTES:])


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
