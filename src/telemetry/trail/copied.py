"""Reads the copy of a trail to verify it, and notes what the copy does not say."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from telemetry.config import TelemetryConfig
from telemetry.reader import FileSource, Place, RawRecord
from telemetry.reader.verify.verifier import Verifier
from telemetry.trail.progress import NO_PROGRESS, ProgressDisplay
from telemetry.trail.stored import open_storage_keys
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
        self._misplaced = 0
        self._first_misplaced: Place | None = None

    def read(
        self, verifier: Verifier, config: TelemetryConfig, *, progress: ProgressDisplay = NO_PROGRESS
    ) -> dict[str, str]:
        """Give every record to the verifier; return a description of what was read, for the report.

        Args:
            verifier: Gets the records.
            config: Names the keys of a sealed fallback object.
            progress: Shows how far it is.

        Raises:
            ConfigurationError: The file cannot be opened.
            StorageError: It cannot be read to its end.
        """
        with ExitStack() as stack, progress.step("verifying") as step:
            for record in FileSource(self._path, keys=open_storage_keys(config, stack)):
                if isinstance(record, RawRecord):
                    self._note(record.place)
                verifier.observe(record)
                step.advance()
        scope = {"file": str(self._path), "read with": f"telemetry {__version__}"}
        for (topic, partition), (low, high) in sorted(self._bounds.items()):
            verifier.note_bounds(topic, partition, low=low, high=high)
            scope[f"{topic}, partition {partition}, offsets"] = f"{low} to {high - 1}"
        return scope

    def notes(self) -> tuple[str, ...]:
        """Return what the copy does not say, or says in a way that contradicts itself, for the report."""
        notes = []
        if self._unplaced:
            notes.append(
                "order not judged: the file does not say at which partition and offset "
                f"{self._unplaced} of its records were"
            )
        if self._misplaced:
            notes.append(
                f"{self._misplaced} lines do not follow the offsets that they name, the first one with "
                f"{self._first_misplaced}: lines or offsets were changed, or several copies are in one file. "
                "The order of the lines was judged"
            )
        return tuple(notes)

    def _note(self, place: Place) -> None:
        if place.partition is None:
            self._unplaced += 1
            return
        stream = place.source, place.partition
        low, high = self._bounds.get(stream, (place.offset, 0))
        if place.offset < high:
            self._misplaced += 1
            self._first_misplaced = self._first_misplaced or place
        self._bounds[stream] = min(low, place.offset), max(high, place.offset + 1)
