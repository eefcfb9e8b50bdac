"""Opens the spool of a process, and adopts the segments of dead ones."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from telemetry.audit.accept.room import Room
from telemetry.audit.accept.stream import ProducerStream
from telemetry.audit.ledger import Ledger
from telemetry.audit.record import SealedRecord
from telemetry.audit.send.batcher import AuditBatcher
from telemetry.audit.send.checkpoints.checkpoint_signer import CheckpointSigner
from telemetry.audit.spool.adoption import AdoptedSegment, adopt_segments
from telemetry.audit.spool.folder_state import FolderState
from telemetry.audit.spool.own_files import open_folder
from telemetry.audit.spool.owner import owner_of
from telemetry.audit.spool.spool import Spool
from telemetry.audit.spool.stream.segments import Segments
from telemetry.audit.spool.stream.spooled_stream import SpooledStream
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.encryption.storage_keys import StorageKeys
from telemetry.exceptions import ConfigurationError, Problem, SpoolError
from telemetry.format.value.message import source_of

_SPOOL_PARTS = 2
"""A segment has two tables, and each may have to hold everything that is not settled."""


class Spooling(NamedTuple):
    """The spool of this process, where there is one, and the segments of dead ones.

    Attributes:
        spool: The spool.
        own: Its part of the process's own stream.
        segments: Creates segments.
        adopted: Segments of dead processes.
    """

    spool: Spool | None
    own: SpooledStream | None
    segments: Segments | None
    adopted: list[AdoptedSegment]


def open_spool(
    config: TelemetryConfig,
    opened: ExitStack,
    stream: ProducerStream,
    storage_keys: StorageKeys,
    *,
    lock: threading.Lock,
    batcher: AuditBatcher,
    room: Room,
) -> Spooling:
    """Open the spool, and adopt the segments of dead processes.

    Args:
        config: The whole configuration.
        opened: Gets a callback that closes each part.
        stream: The process's own stream.
        storage_keys: Seal the segments.
        lock: The intakes' lock.
        batcher: Gets what is committed.
        room: Room of accepted events.

    Raises:
        ConfigurationError: The spool cannot be used.
    """
    folder = config.audit_config.spool_path
    if folder is None:
        return Spooling(None, None, None, [])
    try:
        return _spool_in(folder, config, opened, stream, storage_keys, lock=lock, batcher=batcher, room=room)
    except SpoolError as exc:
        raise ConfigurationError(Problem("spool_path", str(exc))) from exc


def _spool_in(
    folder: Path,
    config: TelemetryConfig,
    opened: ExitStack,
    stream: ProducerStream,
    storage_keys: StorageKeys,
    *,
    lock: threading.Lock,
    batcher: AuditBatcher,
    room: Room,
) -> Spooling:
    audit = config.audit_config
    part = audit.spool_max_bytes // _SPOOL_PARTS
    open_folder(folder)
    keys = storage_keys if storage_keys.can_create else None
    state = None if keys is None else FolderState(folder, keys.secrets, until=audit.accept_unmarked_until)
    owner = owner_of(config, storage_keys)
    adopted = adopt_segments(folder, owner, state=state)
    for segment in adopted:
        opened.callback(segment.close)
    segments = Segments(
        folder=folder,
        topic=audit.kafka_topic,
        source=source_of(config.environment, config.service_name),
        keys=keys,
        version=audit.spool_format,
        flip_bytes=part // _SPOOL_PARTS,
    )
    # Created now and not with the first event: a folder that cannot be written stops the start.
    segment_of_own = segments.create(stream.producer)
    with ExitStack() as without_owner:
        without_owner.callback(segment_of_own.remove)
        spool = Spool(
            lock=lock,
            room=room,
            max_kept_bytes=part - queue_bytes(audit),
            state=state,
            is_shared=audit.shared_streams is not None,
        )
        opened.callback(spool.close)
        own = spool.open_stream(stream.tree, segments, queue=batcher, segment=segment_of_own)
        # From here on the spool removes its file, if nothing is left in it.
        without_owner.pop_all()
    return Spooling(spool, own, segments, adopted)


def queue_bytes(audit: AuditConfig) -> int:
    """Return the bound of accepted events in bytes: what is not settled must fit into a table of the spool."""
    if audit.spool_path is None:
        return audit.queue_max_bytes
    return min(audit.queue_max_bytes, audit.spool_max_bytes // _SPOOL_PARTS)


def adopted_records(
    adopted: Iterable[AdoptedSegment], signer: CheckpointSigner | None, ledger: Ledger
) -> Iterator[list[SealedRecord]]:
    """Yield the records of dead processes, oldest process first; each stream of our own ends with a closing checkpoint."""
    for segment in adopted:
        yield from segment.records(partial(_closing_checkpoints, signer))
        if not segment.is_marked:
            ledger.unmarked(segment.read_count)


def _closing_checkpoints(signer: CheckpointSigner | None, segment: AdoptedSegment) -> list[SealedRecord]:
    tree, later = segment.tree, segment.later_end
    if signer is None or tree is None or not tree.size:
        return []
    if later is not None:
        # The end that is known, never an earlier one: a cut-off trail would be complete up to there.
        return signer.sign_recovered(later, source=segment.source, old_copy=tree.size)
    return signer.sign_recovered(tree, source=segment.source)
