"""Names the records of an interval that came from an outbox: from which record to which."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from telemetry.exceptions import FormatError

MAX_RUNS = 64
"""Runs of one checkpoint that a reader accepts."""
MAX_WRITTEN_RUNS = 48
"""Runs of one checkpoint that a writer names, as for data keys."""

_SEQUENCE = r"(?:0|[1-9][0-9]{0,15})"
_RUNS = re.compile(rf"{_SEQUENCE} {_SEQUENCE}(?: {_SEQUENCE} {_SEQUENCE})*", re.ASCII)


class Run(NamedTuple):
    """Records in a row.

    Attributes:
        first: Sequence of the first record.
        last: Sequence of the last one.
    """

    first: int
    last: int


def render_runs(runs: Sequence[Run]) -> str:
    """Return the runs as ``FIRST LAST FIRST LAST``."""
    return " ".join(f"{run.first} {run.last}" for run in runs)


def parse_runs(text: str, start: int, end: int) -> tuple[Run, ...]:
    """Read the runs of an interval.

    Args:
        text: What :func:`render_runs` returns.
        start: The first record of the interval.
        end: The record after its last one.

    Raises:
        FormatError: They are in another form, not in order, or not in the interval.
    """
    numbers = text.split(" ", 2 * MAX_RUNS)
    if len(numbers) > 2 * MAX_RUNS or not _RUNS.fullmatch(text):
        message = "the checkpoint's line 'relayed' is not FIRST LAST for each of at most 64 runs"
        raise FormatError(message)
    runs = tuple(Run(int(first), int(last)) for first, last in zip(numbers[::2], numbers[1::2], strict=True))
    # Two runs that touch are one, so that there is one text for what is signed.
    before = start - 2
    for run in runs:
        if not before + 1 < run.first <= run.last < end or run.first < start:
            message = "the checkpoint's relayed records overlap, or are not those of its interval"
            raise FormatError(message)
        before = run.last
    return runs


def clipped_runs(runs: Sequence[Run], start: int, end: int) -> Iterator[Run]:
    """Yield the parts of the runs that are in an interval."""
    for run in runs:
        first, last = max(run.first, start), min(run.last, end - 1)
        if first <= last:
            yield Run(first, last)
