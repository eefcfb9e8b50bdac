"""Signs and reads the note of a manifest: an auditor's key vouches for exactly these bytes, at this time.

The note is a signed note (C2SP signed-note, https://c2sp.org/signed-note). Its first line says what it is, so that a signature
under a checkpoint, a roster or an acknowledgement cannot pass for one under a manifest.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.calendar_time import has_time_form
from telemetry.format.proof.signed_note import MAX_NOTE_BYTES, Note, Signer, parse_note, sign_note

FIRST_LINE = "telemetry-evidence/1"

_TEXT = re.compile(rf"{FIRST_LINE}\nmanifest ([0-9a-f]{{64}})\ntime ([0-9TZ:.-]+)\n", re.ASCII)


@dataclass(frozen=True, slots=True)
class ManifestNote:
    """What is signed of a manifest.

    Attributes:
        digest: SHA-256 of its bytes, 64 hexadecimal digits.
        time: When it was signed, RFC 3339 in UTC.
    """

    digest: str
    time: str


def sign_manifest(manifest: bytes, signer: Signer, *, time: str) -> bytes:
    """Return the note of a manifest.

    Args:
        manifest: Its bytes.
        signer: The auditor's key.
        time: When it is signed, RFC 3339 in UTC.

    Raises:
        FormatError: The time is not one.
    """
    text = f"{FIRST_LINE}\nmanifest {hashlib.sha256(manifest).hexdigest()}\ntime {time}\n"
    _parse(text)  # a signature under what nobody could read back must not leave the process
    return sign_note(text, signer).encode()


def parse_manifest_note(data: bytes) -> tuple[Note, ManifestNote]:
    """Return note and content without verifying a signature.

    Raises:
        FormatError: The bytes are not the note of a manifest.
    """
    if len(data) > MAX_NOTE_BYTES:
        message = "the note of the manifest is too long"
        raise FormatError(message)
    try:
        note = parse_note(data.decode())
    except UnicodeDecodeError as exc:
        message = "the note of the manifest is not UTF-8"
        raise FormatError(message) from exc
    return note, _parse(note.text)


def require_manifest(note: ManifestNote, manifest: bytes) -> None:
    """Check that a note is that of a manifest.

    Raises:
        TamperedError: It is that of another one.
    """
    if not hmac.compare_digest(note.digest, hashlib.sha256(manifest).hexdigest()):
        message = "the manifest is not the one that was signed"
        raise TamperedError(message)


def _parse(text: str) -> ManifestNote:
    match = _TEXT.fullmatch(text)
    if match is None or not has_time_form(match[2]):
        message = "the note is not that of the manifest of an evidence pack of version 1"
        raise FormatError(message)
    return ManifestNote(match[1], match[2])
