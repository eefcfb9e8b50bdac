"""Reads the copy of a trail for ``verify``, and notes what the copy does not say."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from telemetry.cli.options.stored import open_storage_keys
from telemetry.cli.output.console import progress
from telemetry.config import TelemetryConfig
from telemetry.reader import FileSource, Place, RawRecord
from telemetry.reader.verify.verifier import Verifier
from telemetry.version import __version__


class CopiedTrail:
    """A file of records that is verified in the place of topic and store.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bounds: dict[tuple[str, int], tuple[int, int]] = {}
        self._unplaced = 0

    def read(self, verifier: Verifier, config: TelemetryConfig) -> dict[str, str]:
        """Give every record to the verifier; return a description of what was read, for the report.

        Args:
            verifier: Gets the records.
            config: Names the keys of a sealed fallback object.

        Raises:
            ConfigurationError: The file cannot be opened.
            StorageError: It cannot be read to its end.
        """
        with ExitStack() as stack, progress("verifying") as (bar, task):
            for record in FileSource(self._path, keys=open_storage_keys(config, stack)):
                if isinstance(record, RawRecord):
                    self._note(record.place)
                verifier.observe(record)
                bar.advance(task)
        scope = {"file": str(self._path), "read with": f"telemetry {__version__}"}
        for (topic, partition), (low, high) in sorted(self._bounds.items()):
            verifier.note_bounds(topic, partition, low=low, high=high)
            scope[f"{topic}, partition {partition}, offsets"] = f"{low} to {high - 1}"
        return scope

    def notes(self) -> tuple[str, ...]:
        """Return what the copy does not say, for the report."""
        if not self._unplaced:
            return ()
        return (
            f"order not judged: the file does not say at which partition and offset {self._unplaced} of its records were",
        )

    def _note(self, place: Place) -> None:
        if place.partition is None:
            self._unplaced += 1
            return
        stream = place.source, place.partition
        low, high = self._bounds.get(stream, (place.offset, 0))
        self._bounds[stream] = min(low, place.offset), max(high, place.offset + 1)
