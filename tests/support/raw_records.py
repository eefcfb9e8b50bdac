"""Reads a source whose records are all expected to be readable."""

from __future__ import annotations

from collections.abc import Iterable

from telemetry.reader import DamagedRecord, RawRecord


def raw_records(source: Iterable[RawRecord | DamagedRecord]) -> list[RawRecord]:
    """Return the records of a source; one that cannot be read fails the test."""
    records = []
    for record in source:
        assert isinstance(record, RawRecord), record
        records.append(record)
    return records
