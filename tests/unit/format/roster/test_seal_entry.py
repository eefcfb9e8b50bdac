"""A leaf of a witness's log about an archive is read back, and an older reader passes over it."""

from __future__ import annotations

import pytest

from telemetry.exceptions import FormatError
from telemetry.format.roster.entries import SealEntry, parse_entry
from telemetry.reader.roster.history import RosterHistory
from tests.support.rosters import WITNESS, Witnessing

_ARCHIVE = "018f3b1c-0000-7000-8000-00000000a000"
_ENTRY = SealEntry(archive=_ARCHIVE, number=42, digest="ab" * 32, signer="0123abcd")


def test_leaf_is_read_back() -> None:
    assert str(_ENTRY) == f"seal {_ARCHIVE} 42 {'ab' * 32} 0123abcd"
    assert parse_entry(str(_ENTRY)) == _ENTRY
    assert parse_entry(f"{_ENTRY} of-a-later-version") == _ENTRY


@pytest.mark.parametrize(
    "text",
    [
        "seal",
        f"seal {_ARCHIVE}",
        f"seal x 42 {'ab' * 32} 0123abcd",
        f"seal {_ARCHIVE} -1 {'ab' * 32} 0123abcd",
        f"seal {_ARCHIVE} 042 {'ab' * 32} 0123abcd",
        f"seal {_ARCHIVE} 42 {'AB' * 32} 0123abcd",
        f"seal {_ARCHIVE} 42 {'ab' * 31} 0123abcd",
        f"seal {_ARCHIVE} 42 {'ab' * 32} x",
    ],
)
def test_other_form_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse_entry(text)


def test_history_keeps_what_was_seen() -> None:
    later = SealEntry(archive=_ARCHIVE, number=43, digest="cd" * 32, signer="0123abcd")
    witnessing = Witnessing()
    witnessing.sign(_ENTRY)
    witnessing.sign(later)

    history = RosterHistory.read(witnessing.documents, WITNESS.public)

    assert [sighting.entry for sighting in history.seals[_ARCHIVE]] == [_ENTRY, later]
    assert history.faults == []


def test_archive_that_shrinks_is_a_fault() -> None:
    witnessing = Witnessing()
    witnessing.sign(_ENTRY)
    witnessing.sign(SealEntry(archive=_ARCHIVE, number=42, digest="cd" * 32, signer="0123abcd"))

    (fault,) = RosterHistory.read(witnessing.documents, WITNESS.public).faults

    assert "does not grow" in fault
