"""Builds the parts of a stream out of what all streams of the process share."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from telemetry.audit.accept.draft.choice import factory_of
from telemetry.audit.accept.intake import Intake, Refusals
from telemetry.audit.accept.key_supply import KeySupply
from telemetry.audit.accept.seal_times import SealTimes
from telemetry.audit.accept.sealers import sealing_of
from telemetry.audit.accept.share import SharedLine, WaitingRoom
from telemetry.audit.accept.stream import ProducerStream
from telemetry.audit.accept.subject.sealing import ServiceSubjects
from telemetry.audit.accept.waiting_line import waiting_line_of
from telemetry.audit.accept.waiting_timer import WaitingTimer
from telemetry.audit.send.checkpoints.checkpoint_signer import CheckpointSigner
from telemetry.audit.send.checkpoints.checkpointer import checkpointer_of
from telemetry.audit.spool.spool import Spool
from telemetry.audit.spool.stream.segments import Segments
from telemetry.audit.streams.fair_batcher import FairBatcher
from telemetry.audit.streams.open_stream import OpenStream
from telemetry.audit.streams.shared_room import SharedRoom
from telemetry.audit.streams.stream_signer import StreamSigner
from telemetry.config import TelemetryConfig
from telemetry.format.value.message import context_of, source_of

if TYPE_CHECKING:
    from telemetry.catalog.catalog import AuditCatalog


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonParts:
    """What all streams of a process share.

    Attributes:
        lock: The intakes' lock.
        room: Room of accepted events.
        waiting: Bound of events that wait.
        batcher: Draws the records from the streams.
        refusals: Counts events that are refused after their call has returned.
        timer: Refuses events that waited too long.
        times: Gets the time that sealing takes.
        keys: The key service; None where events are not encrypted.
        signer: The signing key; None where nothing is signed.
        spool: The spool; None where there is none.
        segments: Creates its segments.
        subjects: The keys of subjects; None where events have none.
    """

    lock: threading.Lock
    room: SharedRoom
    waiting: WaitingRoom
    batcher: FairBatcher
    refusals: Refusals
    timer: WaitingTimer
    times: SealTimes
    keys: KeySupply | None
    signer: CheckpointSigner | None
    spool: Spool | None = None
    segments: Segments | None = None
    subjects: ServiceSubjects | None = None


class StreamBuilder:
    """Opens the streams of a registry; a ``StreamOpener``.

    Args:
        config: The configuration of the process.
        common: What all streams share.
        catalog: The declared types, if there is a catalogue.
    """

    def __init__(self, config: TelemetryConfig, common: CommonParts, *, catalog: AuditCatalog | None = None) -> None:
        self._config = config
        self._common = common
        self._catalog = catalog

    def open(self, service_name: str) -> OpenStream:
        """Return a new stream of a service."""
        common, audit = self._common, self._config.audit_config
        # What version a service has is not known here; this process's own would be a wrong one.
        config = self._config.model_copy(update={"service_name": service_name, "version": ""})
        source = source_of(config.environment, service_name)
        keys = common.keys.for_stream(context_of(source)) if common.keys is not None else None
        signer = StreamSigner(common.signer, source=source) if common.signer is not None else None
        subjects = common.subjects.of(source) if common.subjects is not None else None
        sealer, fetcher = sealing_of(audit, keys, source=source, subjects=subjects)
        stream = ProducerStream(sealer, keys=fetcher, signer=signer)
        share = common.room.add_share(stream.producer)
        lane = common.batcher.lane(stream.producer)
        spooled = None
        if common.spool is not None and common.segments is not None:
            spooled = common.spool.open_stream(stream.tree, common.segments.of(source), queue=lane)
        intake = Intake(
            stream,
            lock=common.lock,
            room=common.room,
            line=waiting_line_of(audit, common=SharedLine(common.waiting)),
            queue=spooled or lane,
            refusals=common.refusals,
            timer=common.timer,
            times=common.times,
            share=share,
        )
        return OpenStream(
            service_name=service_name,
            stream=stream,
            factory=factory_of(config, self._catalog, is_one_of_many=True),
            intake=intake,
            share=share,
            keys=keys,
            spooled=spooled,
            checkpointer=checkpointer_of(audit, stream, signer=signer, spool=spooled),
        )

    @property
    def ending(self) -> int:
        """How many streams have ended and still have a file in the spool."""
        return self._common.spool.ending if self._common.spool is not None else 0

    def release(self, stream: OpenStream) -> None:
        """Forget the keys of a stream that has ended, and its place in what is shared."""
        if stream.keys is not None:
            stream.keys.close()
        if stream.spooled is not None and self._common.spool is not None:
            self._common.spool.end_stream(stream.spooled)
        self._common.room.remove_share(stream.producer)
        self._common.batcher.remove_lane(stream.producer)
