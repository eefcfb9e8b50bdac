"""Remembers what was seen at which place, 16 bytes for each record: in memory first, then in files without a name."""

from __future__ import annotations

from array import array
from enum import Enum

from telemetry.system.spill_file import SpillFile

PLACE_BYTES = 8
CONTENT_BYTES = 8
MAX_ROWS = 3 << 20
"""Records in memory, 16 bytes each and as much again for the buckets; more of them move to a file."""
MAX_MERGES = 5
"""How often runs become a larger one; of the largest, two are kept. A reader that follows a trail for long forgets what was
seen 100 million records ago, and shows a copy of it again."""
MAX_CONTENTS = 16
"""Contents that are remembered of one place: anyone with a data key can write as many as there is room."""

_ROW = PLACE_BYTES + CONTENT_BYTES
_FIRST_BITS = 8
_ROWS_IN_BUCKET = 64
_LARGEST_RUNS = 2


class Sighting(Enum):
    """What is known of a place when a content is seen there.

    Attributes:
        NEW: Nothing was seen there.
        SAME: The same content was.
        RIVAL: One other content was: this is the second one.
        FURTHER: More than one other content was.
    """

    NEW = 0
    SAME = 1
    RIVAL = 2
    FURTHER = 3


class Fingerprints:
    """Contents by place, both as keyed hashes that nobody outside can aim at.

    Rows are in buckets by the first bits of their place. Full memory becomes a run in a file, and two runs of the same
    size become one: n rows cost n log n, in any order.

    Args:
        max_rows: Rows in memory.
        max_merges: How often runs become a larger one.
    """

    def __init__(self, *, max_rows: int = MAX_ROWS, max_merges: int = MAX_MERGES) -> None:
        self._max_rows = max_rows
        self._max_merges = max_merges
        self._runs: list[_Run] = []
        self._bits, self._count = _FIRST_BITS, 0
        self._buckets = _empty_buckets()

    def add(self, place: bytes, content: bytes) -> Sighting:
        """Remember a content of a place, and return what was known of the place before.

        Args:
            place: Keyed hash of the place, ``PLACE_BYTES`` long.
            content: Keyed hash of the content, ``CONTENT_BYTES`` long.

        Raises:
            StorageError: The file cannot be written or read.
        """
        bucket = self._buckets[_number(place, self._bits)]
        known = _contents(bucket, place)
        for run in self._runs:
            known += _contents(run.bucket(_number(place, run.bits)), place)
        if content in known:
            return Sighting.SAME
        if len(known) < MAX_CONTENTS:
            bucket += place
            bucket += content
            self._count += 1
            if self._count > _ROWS_IN_BUCKET << self._bits:
                self._buckets, self._bits = _divided(self._buckets, self._bits), self._bits + 1
            if self._count >= self._max_rows:
                self._move_to_file()
        if not known:
            return Sighting.NEW
        return Sighting.RIVAL if len(known) == 1 else Sighting.FURTHER

    def close(self) -> None:
        """Forget everything."""
        for run in self._runs:
            run.close()
        self._runs.clear()
        self._clear_memory()

    def _clear_memory(self) -> None:
        self._bits, self._count = _FIRST_BITS, 0
        self._buckets = _empty_buckets()

    def _move_to_file(self) -> None:
        run = _Run(self._bits)
        for bucket in self._buckets:
            run.append(bucket)
        largest = run.bits + self._max_merges
        self._clear_memory()
        while self._runs and self._runs[-1].bits == run.bits < largest:
            run = _merged(self._runs.pop(), run)
        self._runs.append(run)
        # The runs are in order of their size and age.
        if len(self._runs) > _LARGEST_RUNS and self._runs[_LARGEST_RUNS].bits == largest:
            self._runs.pop(0).close()


class _Run:
    """Rows in a file, bucket by bucket.

    Args:
        bits: Bits of a place that choose its bucket.
    """

    __slots__ = ("_ends", "_file", "bits")

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self._file = SpillFile()
        self._ends = array("Q", (0,))

    def append(self, rows: bytearray) -> None:
        """Write the next bucket."""
        if rows:
            self._file.append(rows)
        self._ends.append(self._file.size)

    def bucket(self, number: int) -> bytes:
        start = self._ends[number]
        return self._file.read(start, self._ends[number + 1] - start)

    def close(self) -> None:
        self._file.close()


def _empty_buckets() -> list[bytearray]:
    return [bytearray() for _ in range(1 << _FIRST_BITS)]


def _merged(first: _Run, second: _Run) -> _Run:
    merged = _Run(first.bits + 1)
    for number in range(1 << first.bits):
        for half in _halves(first.bucket(number) + second.bucket(number), first.bits):
            merged.append(half)
    first.close()
    second.close()
    return merged


def _divided(buckets: list[bytearray], bits: int) -> list[bytearray]:
    """Return twice as many buckets with the same rows."""
    return [half for bucket in buckets for half in _halves(bucket, bits)]


def _halves(rows: bytes | bytearray, bits: int) -> tuple[bytearray, bytearray]:
    """Divide a bucket by the bit that follows those which chose it."""
    halves = bytearray(), bytearray()
    index, mask = bits >> 3, 0x80 >> (bits & 7)
    for start in range(0, len(rows), _ROW):
        halves[1 if rows[start + index] & mask else 0].extend(rows[start : start + _ROW])
    return halves


def _number(place: bytes, bits: int) -> int:
    return int.from_bytes(place, "big") >> (8 * PLACE_BYTES - bits)


def _contents(rows: bytes | bytearray, place: bytes) -> list[bytes]:
    """Return the contents that a bucket has for a place."""
    contents = []
    at = rows.find(place)
    while at >= 0:
        # The same bytes can also be found across two rows.
        if at % _ROW == 0:
            contents.append(bytes(rows[at + PLACE_BYTES : at + _ROW]))
        at = rows.find(place, at + 1)
    return contents
