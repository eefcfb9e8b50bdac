"""Verifies records as a topic has them and as an archive has them, and requires the same report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from telemetry.archive.verifying.verification import ArchiveRequest, verify_archive
from telemetry.reader.entry import RawRecord
from telemetry.reader.trust.policy import TrustPolicy
from telemetry.reader.verify.verdicts import VerificationReport
from telemetry.reader.verify.verifier import Verifier
from tests.support.archived_trail import ARCHIVER, ArchivedTrail
from tests.support.written_trail import LATER, START, Signer, verify

_KNOWN_OPTIONS = frozenset({"open_seconds", "from_start", "expected"})


class SameReport:
    """Stands in for ``verify`` of ``written_trail``.

    Args:
        folder: For the archives.
        jobs: Processes that verify.
    """

    def __init__(self, folder: Path, *, jobs: int = 1) -> None:
        self._folder = folder
        self._jobs = jobs
        self.count = 0

    def __call__(
        self, records: Iterable[RawRecord], *keys: Signer, now: datetime | None = LATER, **options: Any
    ) -> VerificationReport:
        given = list(records)
        if all(record.place.partition is not None for record in given) and options.keys() <= _KNOWN_OPTIONS:
            self.require_same(in_places(given), *keys, now=now, **options)
        return verify(given, *keys, now=now, **options)

    def require_same(self, records: list[RawRecord], *keys: Signer, now: datetime | None, **options: Any) -> None:
        """Archive the records in two commits, and compare the reports."""
        self.count += 1
        signers = [*(keys or (Signer(),)), ARCHIVER]
        verifier = Verifier([key.public for key in signers], **options)
        verifier.observe_all(records)
        for topic, partition, end in ends_of(records):
            verifier.note_bounds(topic, partition, low=0, high=end)
        trail = ArchivedTrail(self._folder / str(self.count), group_rows=40)
        middle = len(records) // 2
        trail.append(records[:middle])
        trail.append(records[middle:])
        request = ArchiveRequest(
            policy=TrustPolicy.of_keys([key.public for key in signers]), jobs=self._jobs, **options
        )
        found = verify_archive(trail.storage, request, now=now)
        differences = differing(comparable(found), comparable(verifier.report(now=now)))
        assert not differences, differences


def comparable(report: VerificationReport) -> VerificationReport:
    """Return a report without what an archive adds; of foreign records the order does not matter."""
    examples = tuple(sorted(report.foreign.examples, key=str))
    return replace(report, archive=None, foreign=replace(report.foreign, examples=examples))


def in_places(records: Iterable[RawRecord]) -> list[RawRecord]:
    """Return the records with offsets and times in the order in which they are."""
    ends: Counter[tuple[str, int | None]] = Counter()
    placed = []
    for number, record in enumerate(records):
        name = record.place.source, record.place.partition
        time = START.timestamp() + number / 1_000
        placed.append(record._replace(place=record.place._replace(offset=ends[name]), timestamp=time))
        ends[name] += 1
    return placed


def ends_of(records: Iterable[RawRecord]) -> list[tuple[str, int, int]]:
    """Return topic, partition and end offset of each partition."""
    ends = Counter((record.place.source, record.place.partition or 0) for record in records)
    return [(topic, partition, end) for (topic, partition), end in ends.items()]


def differing(found: Any, wanted: Any) -> list[str]:
    """Return what differs between two reports, in words."""
    if found == wanted:
        return []
    lines = []
    for name in (field.name for field in fields(found)):
        one, other = getattr(found, name), getattr(wanted, name)
        if one == other:
            continue
        if isinstance(one, tuple) and one and all(is_dataclass(each) for each in one) and len(one) == len(other):
            lines += [line for pair in zip(one, other, strict=True) for line in differing(*pair)]
        else:
            lines.append(f"{name}: {one} instead of {other}")
    return lines
