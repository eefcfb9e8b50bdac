"""Keeps the records whose data key may not be asked for yet, and says which of them is next."""

from __future__ import annotations

from collections import OrderedDict

from telemetry.reader.entry import DamagedRecord, RawRecord

MAX_RECORDS = 20_000
MAX_BYTES = 64 << 20


class WaitingRecords:
    """Records by their data key, bounded in number and bytes.

    The key that most records name is next: a process seals many events under one key, while a forged record that is to
    cost a call of its own needs a key of its own. For the same reason single records give way first.

    Args:
        max_records: How many are kept.
        max_bytes: How many bytes of values are kept.
    """

    def __init__(self, *, max_records: int = MAX_RECORDS, max_bytes: int = MAX_BYTES) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._records = 0
        self._bytes = 0
        # Apart, so that the oldest single record is found without a search.
        self._single: OrderedDict[bytes, list[DamagedRecord]] = OrderedDict()
        self._groups: OrderedDict[bytes, list[DamagedRecord]] = OrderedDict()

    def __len__(self) -> int:
        return self._records

    def __contains__(self, data_key: bytes) -> bool:
        return data_key in self._groups or data_key in self._single

    def add(self, refused: DamagedRecord, data_key: bytes) -> list[DamagedRecord]:
        """Keep a record, as the entry with which it was refused.

        Returns:
            Entries that had to give way; they are not kept any more.
        """
        group = self._groups.get(data_key)
        if group is None:
            group = self._single.pop(data_key, [])
            (self._groups if group else self._single)[data_key] = group
        group.append(refused)
        self._count(refused, 1)
        given_way: list[DamagedRecord] = []
        while self._records > self._max_records or self._bytes > self._max_bytes:
            given_way += self._give_way()
        return given_way

    def take_next(self) -> list[RawRecord]:
        """Remove and return the records of the key that is to be tried next."""
        if self._groups:
            data_key = max(self._groups, key=lambda name: len(self._groups[name]))
            return self.take(data_key)
        return self.take(next(iter(self._single))) if self._single else []

    def take(self, data_key: bytes) -> list[RawRecord]:
        """Remove and return the records of a key, in their order."""
        return [entry.raw for entry in self._remove(data_key) if entry.raw is not None]

    def give_up(self) -> list[DamagedRecord]:
        """Remove everything and return it as the entries with which it was refused, key by key."""
        entries = [entry for kept in (self._groups, self._single) for group in kept.values() for entry in group]
        self._groups.clear()
        self._single.clear()
        self._records = self._bytes = 0
        return entries

    def _give_way(self) -> list[DamagedRecord]:
        if self._single:
            return self._remove(next(iter(self._single)))
        return self._remove(min(self._groups, key=lambda name: len(self._groups[name])))

    def _remove(self, data_key: bytes) -> list[DamagedRecord]:
        group = self._groups.pop(data_key, None) or self._single.pop(data_key, [])
        for entry in group:
            self._count(entry, -1)
        return group

    def _count(self, entry: DamagedRecord, sign: int) -> None:
        self._records += sign
        self._bytes += sign * len(entry.raw.value or b"" if entry.raw is not None else b"")
