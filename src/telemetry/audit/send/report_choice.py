"""Chooses the records that Kafka's client reports on, by whether the application still uses their receipts.

Whether it does is read from CPython's reference counts. This is the only file that uses them. What a count means depends
on the interpreter and on the local variables of :func:`choose_reports`, so nothing is assumed: :func:`references_of_unused`
tries that very function out, and where the result is not the expected one, every receipt counts as used. Then there are
more reports than necessary and nothing else changes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from telemetry.audit.receipt import Receipt
from telemetry.audit.record import SealedRecord

ANY_PARTITION = -1
"""Kafka's client chooses by the key."""

EVERY_RECEIPT_IS_USED = -1
"""No object has so many references."""

_CONFIRMED_TOGETHER = 16
_MOST_REFERENCES = 8


def choose_reports(
    records: Sequence[SealedRecord],
    partitions: Sequence[int],
    *,
    on_report: Callable[[SealedRecord], None],
    unused: int,
) -> None:
    """Give ``on_report`` and ``also_confirms`` to the records that are to be reported on.

    These are records of an unknown partition, records with a receipt in use, the last record of each partition, and the
    first after 16 others of its partition.

    Args:
        records: Records to be sent, in order.
        partitions: The partition of each, or ``ANY_PARTITION``.
        on_report: Called with a record when its report arrives.
        unused: Number of references to a receipt that is not used, from :func:`references_of_unused`.
    """
    silent: dict[int, list[SealedRecord]] = {}
    count = _references
    for record, partition in zip(records, partitions, strict=True):
        if partition == ANY_PARTITION:
            record.on_report = on_report
            continue
        before = silent.get(partition)
        if before is None:
            before = silent[partition] = []
        # The record has one reference, this variable has one, and the call may add one: see references_of_unused.
        receipt = record.receipt
        if len(before) < _CONFIRMED_TOGETHER and (receipt is None or count(receipt) == unused):
            before.append(record)
        else:
            record.on_report, record.also_confirms = on_report, before
            del silent[partition]
    # Nothing later in this batch confirms what is still silent: the last record of each partition does.
    for before in silent.values():
        last = before.pop()
        last.on_report, last.also_confirms = on_report, before


def references_of_unused() -> int:
    """Return how many references :func:`choose_reports` counts to a receipt that only its record has.

    Returns:
        The count; ``EVERY_RECEIPT_IS_USED`` where used receipts cannot be distinguished from others.
    """
    if not _counts_are_exact():
        return EVERY_RECEIPT_IS_USED
    return next((count for count in range(1, _MOST_REFERENCES) if _distinguishes(count)), EVERY_RECEIPT_IS_USED)


def _counts_are_exact() -> bool:
    # PyPy counts no references; a free-threaded build defers some of them.
    return hasattr(sys, "getrefcount") and bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def _distinguishes(unused: int) -> bool:
    """Return whether this count leads to reports on exactly the receipts in use."""
    records = [_trial_record(number) for number in range(6)]
    variable = records[1].receipt
    container = [records[3].receipt]
    choose_reports(records, [0] * len(records), on_report=_ignore, unused=unused)
    reported = [record.on_report is not None for record in records]
    # The last of a partition is always reported on.
    is_right = reported == [False, True, False, True, False, True]
    del variable, container
    return is_right


def _trial_record(number: int) -> SealedRecord:
    return SealedRecord(event_id="", producer="", sequence=number, key=b"", size=0, receipt=Receipt("", "", number))


def _ignore(_record: SealedRecord) -> None:
    """Nothing is sent in a trial."""


def _no_count(_receipt: Receipt) -> int:
    return 0


_references: Callable[[Receipt], int] = getattr(sys, "getrefcount", _no_count)
