"""Keeps sorted rows that do not fit into memory in a file without a name, and merges any number of files by it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import pyarrow as pa

from telemetry.archive.rows.columns import SCHEMA
from telemetry.archive.upkeep.checked_input import CheckedInput
from telemetry.archive.upkeep.merging import BATCH_ROWS, MAX_INPUTS, SortedInput, merged
from telemetry.exceptions import StorageError
from telemetry.format.archive.seal import SealedFile
from telemetry.storage import StorageProvider
from telemetry.system.file_errors import storage_error

_OPTIONS = pa.ipc.IpcWriteOptions(compression="zstd")


class SortedRun:
    """Sorted rows on the disk, of mode 0600 and without a name; no event in them is open.

    Args:
        tables: The rows, in the order of the table.

    Raises:
        StorageError: The disk is full.
    """

    def __init__(self, tables: Iterable[pa.Table]) -> None:
        self._file: IO[bytes] | None = None
        try:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
            with pa.ipc.new_stream(self._file, SCHEMA, options=_OPTIONS) as writer:
                for table in tables:
                    writer.write_table(table, max_chunksize=BATCH_ROWS)
        except OSError as exc:
            self.close()
            raise _no_disk(exc) from exc
        except BaseException:
            self.close()
            raise

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows."""
        if self._file is None:
            return
        self._file.seek(0)
        yield from pa.ipc.open_stream(self._file)

    def close(self) -> None:
        """Give the disk back."""
        if self._file is not None:
            self._file.close()


def sorted_rows(store: StorageProvider, files: Sequence[SealedFile]) -> Iterator[pa.Table]:
    """Yield the rows of live files in the order of the table, every file checked before one of its rows is yielded.

    Args:
        store: The archive's store.
        files: The files, as their seals name them.

    Raises:
        TamperedError: A file is not the one that was sealed.
        StorageError: The store refused or did not answer, or the disk is full.
    """
    with ExitStack() as stack:
        inputs: list[SortedInput] = []
        for start in range(0, len(files), MAX_INPUTS):
            group = files[start : start + MAX_INPUTS]
            if len(files) <= MAX_INPUTS:
                inputs += [stack.enter_context(CheckedInput(store, file)) for file in group]
            else:
                inputs.append(_run_of(store, group, stack))
        yield from _merged_by_steps(inputs, stack)


def _run_of(store: StorageProvider, files: Sequence[SealedFile], stack: ExitStack) -> SortedRun:
    # The copies of one group are gone before those of the next one come.
    with ExitStack() as copies:
        inputs = [copies.enter_context(CheckedInput(store, file)) for file in files]
        run = SortedRun(merged(inputs))
    stack.callback(run.close)
    return run


def _merged_by_steps(inputs: list[SortedInput], stack: ExitStack) -> Iterator[pa.Table]:
    while len(inputs) > MAX_INPUTS:
        runs: list[SortedInput] = []
        for start in range(0, len(inputs), MAX_INPUTS):
            run = SortedRun(merged(inputs[start : start + MAX_INPUTS]))
            stack.callback(run.close)
            runs.append(run)
        inputs = runs
    yield from merged(inputs)


def _no_disk(exc: OSError) -> StorageError:
    return storage_error(exc, doing="writing rows in", path=Path(tempfile.gettempdir()), place="TMPDIR")
