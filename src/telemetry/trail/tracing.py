"""Follows one event through a trail: finds its records and what covers them, and opens them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.encryption import EncryptionProviderFactory
from telemetry.exceptions import FormatError, IncompleteError, StorageError, VerificationError
from telemetry.format.objects.any_object import object_reason
from telemetry.format.uuid7 import created_at
from telemetry.reader import Entry, RecordOpener
from telemetry.reader.entry import SourceRecord
from telemetry.reader.open.subjects import subjects_of
from telemetry.reader.prove.lineage import Lineage, LineageTracer
from telemetry.reader.prove.redacted_lineage import RedactedLineage
from telemetry.reader.trust import TrustPolicy
from telemetry.storage import StorageProvider, StorageProviderFactory
from telemetry.trail.place import TrailPlace
from telemetry.trail.progress import NO_PROGRESS, ProgressDisplay
from telemetry.trail.records import ReadTally, trail_records

_EARLIER_SECONDS = 600.0
"""How far before the event's own time the topic is read: clocks differ, and the checkpoint before it is needed too."""


class EventTracer:
    """Follows one event through the store and the topic of a configuration, or through a file.

    Args:
        config: Configuration of topic and store, and of the key that opens the event.
        event_id: UUIDv7 of the event.
        file: A copy of the trail to read instead, whole and twice.
        place: A place to read instead, twice: first where it should have the event, then whole.
        progress: Shows how far it is.

    Attributes:
        config: The configuration.
        tally: Counts the records that were read.
        redacted: What is left of the event where its value was removed on request, after :meth:`trace`.
    """

    def __init__(
        self,
        config: TelemetryConfig,
        event_id: str,
        *,
        file: Path | None = None,
        place: TrailPlace | None = None,
        progress: ProgressDisplay = NO_PROGRESS,
    ) -> None:
        self.config = config
        self._event_id = event_id
        self._file = file
        self._place = place
        self._near = place.near([event_id]) if place is not None else ()
        self._progress = progress
        self.tally = ReadTally()
        self.redacted: list[RedactedLineage] = []

    def trace(self, policy: TrustPolicy) -> list[Lineage]:
        """Return what is known of each different record that claims to be the event.

        Args:
            policy: Who may sign what.

        Raises:
            IncompleteError: The event is not in the trail that was read.
            ConfigurationError: The file cannot be opened.
            TransportError: The topic cannot be read.
            StorageError: The store or the file cannot be read.
        """
        parts = self._parts()
        for part in parts:
            tracer = LineageTracer(self._event_id, trusted=policy)
            if not tracer.find(self._records("looking for the event", headers=True, tally=self.tally, **part)):
                continue
            lineages = tracer.trace(self._records("looking for its checkpoint", tally=self.tally, **part))
            self.redacted = tracer.redacted
            # The proof may need older records: checkpoints can be further apart.
            known = [(one.covering, one.problem) for one in lineages]
            known += [(one.covering, one.problem) for one in tracer.redacted]
            if part is parts[-1] or not any(end and isinstance(problem, IncompleteError) for end, problem in known):
                return lineages
        message = f"event {self._event_id} is not in the trail that was read"
        raise IncompleteError(message)

    def open(self, record: Lineage) -> Entry:
        """Return one of the records, opened; the read is not recorded here.

        Args:
            record: What was found about it.
        """
        with ExitStack() as stack:
            encryption = self.config.audit_config.encryption_config
            provider = EncryptionProviderFactory.create(encryption) if encryption else None
            if provider is not None:
                stack.callback(provider.close)
            subjects = subjects_of(self.config, provider)
            if subjects is not None:
                stack.callback(subjects.close)
            opener = RecordOpener(provider, subjects=subjects)
            stack.callback(opener.close)
            return opener.open_among(record.raw, self._around())

    def reasons(self, records: Sequence[Lineage]) -> dict[str, str]:
        """Return the reason for which each object that is still in the store was stored, by its name."""
        # The reason is in the header of the object only, and only objects that were not replayed are still there.
        names = {copy.place.name for one in records for copy in one.copies if copy.place.name}
        storage = self.config.audit_config.storage_config
        if storage is None or not names or self._place is not None:
            return {}
        with StorageProviderFactory.create(storage) as store:
            return dict(_reasons_of(store, names))

    def _parts(self) -> list[dict[str, Any]]:
        """Return the parts of the trail that are looked at, one after the other, until the event is found in one."""
        if self._place is not None:
            return [{"place": part} for part in self._near]
        # A file has no index of times, and is read whole.
        created = created_at(self._event_id) if self._file is None else None
        # The topic around the event's own time first: a trail can be years long.
        return [{}] if created is None else [{"since": created - _EARLIER_SECONDS}, {}]

    def _around(self) -> Iterator[SourceRecord]:
        """Yield the records among which one may name a wrap of the event's data key, which is older than the event."""
        if self._place is not None:
            for part in (*self._near, self._place):
                yield from self._records("looking for the data key", place=part)
            return
        created = created_at(self._event_id) if self._file is None else None
        if created is not None:
            yield from self._records("looking for the data key", since=created - _key_age(self.config.audit_config))
        yield from self._records("looking for the data key")

    def _records(self, label: str, **options: Any) -> Iterator[SourceRecord]:
        return trail_records(self.config, label, file=self._file, progress=self._progress, **options)


def _key_age(audit: AuditConfig) -> float:
    return audit.data_key_max_age_seconds + audit.data_key_grace_seconds


def _reasons_of(store: StorageProvider, names: set[str]) -> Iterator[tuple[str, str]]:
    for name in sorted(names):
        try:
            yield name, object_reason(store.stream(name), name)
        except (StorageError, FormatError, VerificationError):
            continue  # the object was replayed or damaged after the record was read
