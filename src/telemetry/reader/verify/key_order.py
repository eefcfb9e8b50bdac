"""Finds records of one Kafka key that are in the wrong order, in bounded memory."""

from __future__ import annotations

from typing import Any

from telemetry.reader.entry import Place

MAX_KEYS = 250_000
"""Keys of one generation: the last 250,000 to 500,000 of (producer, partition, key) are remembered, 150 bytes each."""


class KeyOrder:
    """Remembers the last sequence of each key on each partition.

    A key that was not seen among the last ``most`` keys may be forgotten: a wrong order is then missed, never invented.
    Keys are kept as 64-bit hashes under a secret of the process, so no user id stays in memory.

    Args:
        most: Keys of one generation; there are two.
        before: What was remembered of the same streams before they came here.
    """

    __slots__ = ("_before", "_most", "_old", "_young")

    def __init__(self, *, most: int = MAX_KEYS, before: KeyOrder | None = None) -> None:
        self._most = most
        self._before = before
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}

    def add(self, stream: int, place: Place, key: bytes, sequence: int) -> int | None:
        """Remember a record that is read for the first time.

        Args:
            stream: Number of the producer.
            place: Place of the record; its partition is known.
            key: Kafka key of the record.
            sequence: Sequence of the record.

        Returns:
            None if it is in order, else the higher sequence that was read before it.
        """
        # Python's hash of bytes is SipHash under a random key (PEP 456); nobody can aim at a collision.
        name = hash((stream, place[1], key))
        last = self._young.get(name)
        if last is None:
            last = self._old.get(name, -1)
            if last < 0 and self._before is not None:
                last = self._before.last(name)
            # Two generations instead of a list in order of use: one look-up a record, and no bookkeeping.
            if len(self._young) >= self._most:
                self._old, self._young = self._young, {}
        if sequence < last:
            return last
        self._young[name] = sequence
        return None

    def note_copy(self, stream: int, place: Place, sequence: int) -> None:
        """Pass over a record that was read before: delivery is at least once, so a later copy is not out of order."""

    def forget(self, stream: int, place: Place, key: bytes, sequence: int) -> None:
        """Continue from a record, although a later one was read: nobody has signed for that one."""
        self._young[hash((stream, place[1], key))] = sequence

    def __reduce__(self) -> tuple[Any, ...]:
        # Empty in another process: the hashes are made under a secret of this one.
        return KeyOrder, ()

    def last(self, name: int) -> int:
        """Return the last sequence under a hashed name; -1 for none."""
        return self._young.get(name, self._old.get(name, -1))
