"""Reads the cosignatures of standard witnesses (C2SP tlog-cosignature, https://c2sp.org/tlog-cosignature)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from telemetry.exceptions import FormatError
from telemetry.format import canonical_base64
from telemetry.format.proof.signed_note import Note, PublicKey, require_name

COSIGNATURE = b"\x04"
"""Signature type identifier of timestamped Ed25519 witness cosignatures."""

_KEY_ID_BYTES = 4
_KEY_BYTES = 32
_TIME_BYTES = 8
_SIGNATURE_BYTES = 64
_PARTS = 3


@dataclass(frozen=True, slots=True)
class CosignerKey:
    """The verifier key of a standard witness.

    Attributes:
        name: The key's name.
        key: 32 bytes (RFC 8032 section 5.1.5).
    """

    name: str
    key: bytes

    @property
    def key_id(self) -> bytes:
        """First 4 bytes of SHA-256(name || newline || 0x04 || key)."""
        return hashlib.sha256(self.name.encode() + b"\n" + COSIGNATURE + self.key).digest()[:_KEY_ID_BYTES]

    @property
    def label(self) -> str:
        """Name and key id, for messages and reports."""
        return f"{self.name}+{self.key_id.hex()}"

    @classmethod
    def parse(cls, text: str) -> CosignerKey:
        """Read a verifier key: ``name+hex(key id)+base64(0x04 || key)``.

        Raises:
            FormatError: The text is not one, or its key id does not match its name and key.
        """
        parts = text.strip().split("+", _PARTS - 1)
        encoded = canonical_base64.decode(parts[-1])
        if len(parts) != _PARTS or encoded is None or encoded[:1] != COSIGNATURE or len(encoded) != 1 + _KEY_BYTES:
            message = "the key is not of the form NAME+ID+KEY with an Ed25519 key for cosignatures (type 0x04)"
            raise FormatError(message)
        require_name(parts[0])
        key = cls(parts[0], encoded[1:])
        if parts[1] != key.key_id.hex():
            message = f"the key {key.name!r} was altered: its id does not match its name and key"
            raise FormatError(message)
        return key

    def cosigned_at(self, note: Note) -> int | None:
        """Return when this witness cosigned a checkpoint, in seconds since the epoch; None if it did not.

        The time is signed with the checkpoint: ``cosignature/v1``, a line with the time, and the text of the note.
        """
        key = PublicKey(self.name, self.key)
        for line in note.signatures:
            if (line.name, line.key_id) != (self.name, self.key_id):
                continue
            if len(line.signature) != _TIME_BYTES + _SIGNATURE_BYTES:
                continue
            time = int.from_bytes(line.signature[:_TIME_BYTES], "big")
            text = f"cosignature/v1\ntime {time}\n{note.text}".encode()
            if key.verify(text, line.signature[_TIME_BYTES:]):
                return time
        return None
