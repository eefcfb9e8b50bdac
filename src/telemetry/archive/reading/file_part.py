"""Reads the part of a data file that has the rows of some producers, and fetches no more than that."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa

from telemetry.archive.files.data_file import DataFile, open_data_file
from telemetry.archive.reading.among import rows_with
from telemetry.format.archive.seal import SealedFile
from telemetry.storage import StorageProvider

_PRODUCER = "producer"


class FilePart:
    """The rows of some producers in a data file.

    Args:
        store: Store of the archive.
        file: What its seal says of it.
        producers: The producers.

    Attributes:
        problem: Empty: what is read in part cannot be compared with its seal.
    """

    def __init__(self, store: StorageProvider, file: SealedFile, *, producers: Collection[str]) -> None:
        self._store = store
        self._file = file
        self._wanted = sorted(producers)
        self.problem = ""

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield the rows, some thousand at a time.

        Args:
            columns: The columns to read, the producer among them.

        Raises:
            ArchiveFileError: The file is no data file of an archive, or cannot be read.
            StorageError: The store refused or did not answer.
        """
        with open_data_file(self._store, self._file.name, size=self._file.size) as data:
            groups = [number for number in range(data.groups) if self._may_have(data, number)]
            for batch in data.batches(columns, groups=groups):
                yield rows_with(batch, _PRODUCER, self._wanted)

    def close(self) -> None:
        """Do nothing: nothing is kept open between reads."""

    def _may_have(self, data: DataFile, group: int) -> bool:
        known = data.range_of(group, _PRODUCER)
        if known is None or not all(isinstance(bound, str) for bound in known):
            return True
        # Rows are sorted by service first, so a group of several services may have any range.
        return any(known[0] <= producer <= known[1] for producer in self._wanted)
