"""Finds out when standard witnesses last cosigned the log of rosters."""

from __future__ import annotations

from typing import NamedTuple

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof.cosignature import CosignerKey
from telemetry.format.proof.signed_note import MAX_NOTE_BYTES, Note, PublicKey, parse_note
from telemetry.format.roster.roster import Roster, decode_roster, is_signed_by
from telemetry.reader.roster.store import RosterStore


class Cosigned(NamedTuple):
    """The newest cosignature of a standard witness.

    Attributes:
        log: Name and id of the key that signs the log.
        cosigner: Name and id of the standard witness's key.
        time: When it cosigned, in seconds since the epoch; None where it cosigned none of the last rosters.
    """

    log: str
    cosigner: str
    time: int | None


def find_cosigned(rosters: RosterStore, key: PublicKey, cosigner: CosignerKey, *, label: str) -> Cosigned:
    """Return when a standard witness last cosigned one of the last rosters.

    Its signature lines are in the note itself, or in an object beside the roster.

    Args:
        rosters: The rosters.
        key: Public key of the log.
        cosigner: Key of the standard witness.
        label: Name of the log in reports.

    Raises:
        StorageError: The store refused or did not answer.
    """
    for document in rosters.newest():
        try:
            roster = decode_roster(document)
        except (FormatError, TamperedError):
            continue
        time = _cosigned_at(roster, rosters, cosigner) if is_signed_by(roster, key) else None
        if time is not None:
            return Cosigned(label, cosigner.label, time)
    return Cosigned(label, cosigner.label, None)


def _cosigned_at(roster: Roster, rosters: RosterStore, cosigner: CosignerKey) -> int | None:
    note = parse_note(roster.note)
    time = cosigner.cosigned_at(note)
    lines = rosters.cosignatures(roster) if time is None else b""
    if not lines or len(lines) > MAX_NOTE_BYTES:
        return time
    try:
        beside = parse_note(f"{note.text}\n{lines.decode()}")
    except (FormatError, UnicodeDecodeError):
        return None  # anyone may create objects: what is no signature is as good as none
    # The lines cannot bring another text along: that would be another note.
    return cosigner.cosigned_at(Note(note.text, beside.signatures)) if beside.text == note.text else None
