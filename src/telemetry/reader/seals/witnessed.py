"""Compares the seals of an archive with those that witnesses saw, and with those that an auditor expects."""

from __future__ import annotations

import hmac
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from telemetry.format.archive.seal_note import seal_name
from telemetry.reader.roster.history import RosterHistory
from telemetry.reader.seals.expected import ExpectedSeal
from telemetry.reader.seals.store import StoredSeal
from telemetry.reader.verify.verdicts import Finding, Verdict


@dataclass(frozen=True, slots=True)
class _Claim:
    """A seal that somebody outside the archive knows.

    Attributes:
        by: Who knows it, in words for a finding.
        number: Its number.
        digest: SHA-256 of its bytes, in hexadecimal; empty if only the number is known.
    """

    by: str
    number: int
    digest: str


class OutsideSeals:
    """What is known of an archive's seals outside the archive; only that shows that seals were cut off at the end.

    Args:
        histories: The logs of the witnesses that are believed.
        expected: The seals that the auditor expects.
    """

    def __init__(self, histories: Sequence[RosterHistory] = (), expected: Sequence[ExpectedSeal] = ()) -> None:
        self._histories = histories
        self._expected = [_Claim("the auditor expects", seal.number, seal.digest) for seal in expected]
        self._claims: dict[int, list[_Claim]] = {}
        # Numbers that a witness saw, and when it saw that one or a later one first.
        self._numbers: list[int] = []
        self._times: list[float] = []
        self._is_bound = False

    @property
    def knows_anything(self) -> bool:
        """Whether anything outside the archive was compared."""
        return bool(self._claims)

    def bind(self, archive: str) -> None:
        """Compare with what is known of this archive; its first seal says which one it is."""
        if self._is_bound:
            return
        self._is_bound = True
        claims = list(self._expected)
        seen: list[tuple[int, float]] = []
        for history in self._histories:
            for sighting in history.seals.get(archive, ()):
                entry = sighting.entry
                claims.append(_Claim(f"the witness {history.label} saw on {sighting.time}", entry.number, entry.digest))
                seen.append((entry.number, datetime.fromisoformat(sighting.time).timestamp()))
        for claim in claims:
            self._claims.setdefault(claim.number, []).append(claim)
        earliest = float("inf")
        for number, time in sorted(seen, reverse=True):
            earliest = min(earliest, time)
            self._numbers.append(number)
            self._times.append(earliest)
        self._numbers.reverse()
        self._times.reverse()

    def seen_at(self, number: int) -> float | None:
        """Return when a witness first saw a seal or a later one, in seconds since the epoch; None if none did."""
        at = bisect_left(self._numbers, number)
        return self._times[at] if at < len(self._times) else None

    def findings_of(self, stored: StoredSeal) -> Iterator[Finding]:
        """Yield where a seal is another than the one that is known."""
        for claim in self._claims.get(stored.number, ()):
            if claim.digest and not hmac.compare_digest(claim.digest, stored.digest):
                reason = (
                    f"{claim.by} another seal {stored.number} ({claim.digest[:16]}…) than the one that is there "
                    f"({stored.digest[:16]}…): the archive has two histories"
                )
                yield Finding(Verdict.TAMPERED, reason, place=seal_name(stored.number), field="digest")

    def findings_of_end(self, archive: str | None, last: int | None) -> Iterator[Finding]:
        """Yield what is known after the last seal that is there, and which witness saw only other archives.

        Args:
            archive: The archive; None if it has no seal that can be read.
            last: Number of its last seal; None if there is none.
        """
        if not self._is_bound:
            self._claims = {claim.number: [claim] for claim in self._expected}
        for number, claims in sorted(self._claims.items()):
            if last is None or number > last:
                for claim in claims:
                    there = "there is none at all" if last is None else f"the last one that is there is {last}"
                    reason = f"{claim.by} the seal {number}, and {there}: the end of the archive was cut off"
                    yield Finding(Verdict.MISSING, reason, place=seal_name(number))
        for history in self._histories:
            if history.seals and archive not in history.seals:
                reason = f"the witness {history.label} saw seals, and none of this archive ({archive})"
                yield Finding(Verdict.UNVERIFIABLE, reason, field="roster")

    def notes(self, archive: str | None) -> Iterator[str]:
        """Yield what is worth knowing and no finding."""
        for history in self._histories:
            sightings = history.seals.get(archive or "", ())
            if sightings:
                number, time = sightings[-1].entry.number, sightings[-1].time
                yield f"the witness {history.label} saw the seal {number} of this archive on {time}"
            elif not history.seals:
                yield f"the witness {history.label} watches no archive; it says nothing about the end of this one"
        if not self._claims:
            yield "nothing outside the archive says which seal is the last one: seals that were cut off at the end are not seen"
