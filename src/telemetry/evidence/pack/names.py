"""Lists the names that a file of an evidence pack can have; there are no others, so no name leads out of a folder."""

from __future__ import annotations

import re
from enum import StrEnum

from telemetry.format.uuid7 import UUID_PATTERN

MANIFEST = "manifest.json"
NOTE = "manifest.note"
PAGE = "index.html"
KEYS = "keys.txt"
TRUST = "trust.toml"
POPULATION = "population.txt"
REPORT = "verification.json"
REPORT_PAGE = "verification.html"

MAX_NAME = 80

_SINGLE = frozenset({MANIFEST, NOTE, PAGE, KEYS, TRUST, POPULATION, REPORT, REPORT_PAGE})
_EVENT_FILE = re.compile(rf"(events|proofs|disclosures)/({UUID_PATTERN})(\.json|\.proof\.json)", re.ASCII)
_SUFFIXES = {"events": ".json", "proofs": ".proof.json", "disclosures": ".json"}
_ROSTER = re.compile(r"rosters/[0-9a-f]{8}/[0-9]{20}\.roster", re.ASCII)


class EventFolder(StrEnum):
    """A folder with a file for each event.

    Attributes:
        EVENTS: What an event says, as the exporter opened it.
        PROOFS: Proofs that a sealed record is part of what was signed.
        DISCLOSURES: What an event says, with the salt of its commitment.
    """

    EVENTS = "events"
    PROOFS = "proofs"
    DISCLOSURES = "disclosures"

    def file_of(self, event_id: str) -> str:
        """Return the name of an event's file."""
        return f"{self}/{event_id}{_SUFFIXES[self]}"


def roster_file(key_id: str, start: int) -> str:
    """Return the name of a roster's file.

    Args:
        key_id: Id of the witness's key, 8 hexadecimal digits.
        start: Size of the log at the roster before.
    """
    return f"rosters/{key_id}/{start:020d}.roster"


def is_name(name: str) -> bool:
    """Return whether a pack of this version can have a file of this name."""
    event_file = _EVENT_FILE.fullmatch(name)
    if event_file is not None:
        return event_file[3] == _SUFFIXES[event_file[1]]
    return name in _SINGLE or _ROSTER.fullmatch(name) is not None


def is_roster(name: str) -> bool:
    """Return whether a file is a roster of a witness."""
    return _ROSTER.fullmatch(name) is not None


def event_of(name: str) -> tuple[EventFolder, str] | None:
    """Return folder and event id of an event's file; None for any other file."""
    event_file = _EVENT_FILE.fullmatch(name)
    return (EventFolder(event_file[1]), event_file[2]) if event_file is not None and is_name(name) else None
