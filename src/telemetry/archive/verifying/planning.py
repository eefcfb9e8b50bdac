"""Divides an archive among processes by producer: all records of a producer are verified by one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from telemetry.archive.files.data_file import open_data_file
from telemetry.exceptions import ArchiveFileError, StorageNotFoundError
from telemetry.storage import StorageProvider

_NAMES = ["service", "producer"]


class _Group(NamedTuple):
    """A row group: the producers that its rows name, and whether some name none."""

    producers: frozenset[str]
    has_rest: bool


class ArchiveIndex:
    """Which producers the row groups of the data files name, read from one narrow column.

    Nothing in it is believed: it only decides who reads what.

    Args:
        store: The archive's store.
        names: Names of the data files.

    Raises:
        StorageError: The store refused or did not answer.
    """

    def __init__(self, store: StorageProvider, names: Iterable[str]) -> None:
        # In the order of the files, so that a share's row groups lie side by side.
        self._rows: Counter[tuple[str, str]] = Counter()
        self._groups: dict[str, list[_Group]] = {}
        self._texts: dict[str, str] = {}
        for name in names:
            try:
                with open_data_file(store, name) as file:
                    self._groups[name] = [self._read(file.read_group(number, _NAMES)) for number in range(file.groups)]
            except (StorageNotFoundError, ArchiveFileError):
                # The process that verifies the file finds out, and says so.
                self._groups.pop(name, None)

    def divide(self, shares: int, *, only: Container[str] | None = None) -> list[frozenset[str]]:
        """Return the producers of each share, with about as many rows each; shares without any are left out.

        Args:
            shares: How many shares.
            only: Producers to divide; None for all.
        """
        weights: dict[str, int] = {}
        for (_, producer), rows in sorted(self._rows.items()):
            if only is None or producer in only:
                weights[producer] = weights.get(producer, 0) + rows
        total, done = sum(weights.values()), 0
        divided: list[set[str]] = [set() for _ in range(shares)]
        for producer, rows in weights.items():
            # Where its middle falls says which share it is in: none is then more than one producer too large.
            divided[min((2 * done + rows) * shares // max(2 * total, 1), shares - 1)].add(producer)
            done += rows
        return [frozenset(share) for share in divided if share]

    def groups_of(self, name: str, producers: frozenset[str], *, has_rest: bool) -> tuple[int, ...] | None:
        """Return the row groups of a file that a share has to read; None for all of a file that could not be read here.

        Args:
            name: Name of the file.
            producers: The producers of the share.
            has_rest: Rows that name no producer belong to it, and so do files that could not be read.
        """
        groups = self._groups.get(name)
        if groups is None:
            return None if has_rest else ()
        return tuple(
            number
            for number, group in enumerate(groups)
            if (has_rest and group.has_rest) or not group.producers.isdisjoint(producers)
        )

    def _read(self, table: pa.Table) -> _Group:
        counts: Mapping[str, Sequence[object]] = table.group_by(_NAMES).aggregate([([], "count_all")]).to_pydict()
        names = set()
        for service, producer, rows in zip(counts["service"], counts["producer"], counts["count_all"], strict=True):
            if producer is None:
                continue
            text = self._texts.setdefault(str(producer), str(producer))
            names.add(text)
            self._rows[str(service or ""), text] += int(str(rows))
        return _Group(frozenset(names), table.column("producer").null_count > 0)
