"""Says whose segments a process adopts, and takes back a quarantined one that an operator vouches for."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.own_files import require_own
from telemetry.audit.spool.packing import Row
from telemetry.audit.spool.sealing import PLAIN_VERSION, SEALED_VERSION, About, KeyOpener
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.config import TelemetryConfig
from telemetry.encryption.storage_keys import StorageKeys
from telemetry.exceptions import FormatError, SpoolError
from telemetry.format.objects.own_record import source_of_record
from telemetry.format.objects.record_lines import StoredRecord
from telemetry.format.objects.sealed_object import ContentKey
from telemetry.format.value.message import environment_of, source_of

_CHUNK = 500
_READABLE = (PLAIN_VERSION, SEALED_VERSION)


class Owner(NamedTuple):
    """Whose segments a process adopts.

    Attributes:
        topic: Topic of their records.
        source: CloudEvents source of the service.
        keys: Open its segments; None for a service that has no key at all and writes format 3.
        may_be_clear: Whether events that are not sealed are the service's.
        carries_others: Whether the service logs on behalf of others of its environment. Their segments are its own then, so
            its spool folder is its alone.
    """

    topic: str
    source: str
    keys: KeyOpener | None = None
    may_be_clear: bool = True
    carries_others: bool = False

    def accepts(self, source: str) -> bool:
        """Return whether a stream of this source is the service's own, or one that it carries for another."""
        return source == self.source or (self.carries_others and environment_of(source) == environment_of(self.source))

    def has_logged(self, row: Row, *, producer: str) -> bool:
        """Return whether the service can have logged what a segment without seals has."""
        sequence, _, key, value = row
        try:
            record = StoredRecord(key, value, sequence)
            source = source_of_record(record, producer=producer, may_be_clear=self.may_be_clear)
        except FormatError:
            return False
        # What a service with keys carries for others is sealed: no version has ever spooled that without.
        return source == self.source or (self.keys is None and self.accepts(source))


def owner_of(config: TelemetryConfig, keys: StorageKeys) -> Owner:
    """Return the service of a configuration.

    Args:
        config: Names the service and its topic.
        keys: Its storage keys. A service without any writes what earlier versions wrote, and knows its own by no seal.
    """
    audit = config.audit_config
    return Owner(
        audit.kafka_topic,
        source_of(config.environment, config.service_name),
        keys if keys.can_create else None,
        may_be_clear=not audit.encryption_enabled,
        carries_others=audit.shared_streams is not None,
    )


def accept_segment(path: Path, owner: Owner, *, key: ContentKey | None) -> int:
    """Write the records of a segment without seals anew, in the service's own form, because an operator vouches for it.

    The next start sends them. They are not signed: nothing shows with which tree their process ended. Killed in
    between, this leaves both files: then records are sent twice, which readers recognise.

    Args:
        path: The file, which must be in the spool folder.
        owner: The service.
        key: Key of the new segment; None where the service has none.

    Returns:
        How many records it has.

    Raises:
        FormatError: It is no segment of this form and topic, or has a record that the service cannot have logged.
        SpoolError: It cannot be read whole, or the new one cannot be written.
    """
    try:
        require_own(path)
    except OSError as exc:
        message = f"{path} cannot be opened: {exc.strerror}; name a file as `telemetry spool list` shows it"
        raise SpoolError(message) from exc
    segment = SpoolSegment.adopt(path, owner.keys)
    about = segment.about if segment is not None else None
    is_unmarked = about is not None and about.version in _READABLE and about.topic == owner.topic
    if segment is None or about is None or segment.is_marked or not is_unmarked:
        if segment is not None:
            segment.close()
        message = f"{path} is not a spool segment without seals of topic {owner.topic!r}; nothing was done"
        raise FormatError(message)
    try:
        rows = list(segment.rows())
        _require_logged(rows, owner, path, producer=about.producer)
        _write_anew(path.parent, about, rows, owner, key)
    except BaseException:
        segment.close()
        raise
    segment.remove()
    return len(rows)


def _require_logged(rows: list[Row], owner: Owner, path: Path, *, producer: str) -> None:
    strange = next((row for row in rows if not owner.has_logged(row, producer=producer)), None)
    if strange is not None:
        message = f"record {strange[0]} of {path} cannot be one of this service; nothing was done"
        raise FormatError(message)


def _write_anew(folder: Path, about: About, rows: list[Row], owner: Owner, key: ContentKey | None) -> None:
    producer, source = about.producer, about.source if owner.accepts(about.source) else owner.source
    new = SpoolSegment.create(folder, producer=producer, topic=owner.topic, source=source, key=key)
    try:
        for start in range(0, len(rows), _CHUNK):
            records = [
                SealedRecord.written(event_id, producer=producer, sequence=position, key=kafka_key, value=value)
                for position, event_id, kafka_key, value in rows[start : start + _CHUNK]
            ]
            new.append(records, settled_below=0, tree=None)
    except BaseException:
        new.remove()
        raise
    new.close()
