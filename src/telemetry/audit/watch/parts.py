"""Names the parts of a pipeline that can be asked how they are."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from telemetry.audit.accept.intake import Intake
from telemetry.audit.accept.intakes import Intakes
from telemetry.audit.accept.room import Room
from telemetry.audit.fallback.handler import FallbackHandler
from telemetry.audit.fallback.memory import MemoryFallback
from telemetry.audit.replay.worker import RetryWorker
from telemetry.audit.send.batcher import AuditBatcher
from telemetry.audit.send.dispatcher import Dispatcher
from telemetry.audit.spool.spool import Spool
from telemetry.encryption.data_key import DataKeyring
from telemetry.exceptions import KeyServiceError


class WatchedSubjects(Protocol):
    """The keys of subjects of a process."""

    @property
    def last_error(self) -> KeyServiceError | None:
        """Why their store, or the key service, gave none when it was asked last."""

    @property
    def is_withheld(self) -> bool:
        """Whether not even those in memory may be used."""

    @property
    def keys_in_memory(self) -> int:
        """How many are kept."""

    def retry_if_due(self) -> None:
        """Ask again, without waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedParts:
    """The parts of one pipeline; each may be asked in any thread, at any moment.

    Attributes:
        room: Bounds of accepted events.
        intake: Intake of the process's own stream.
        intakes: All intakes: events that wait.
        batcher: Records that wait to be sent.
        dispatcher: Direction, and the records on their way to Kafka.
        keyring: The data keys; None where events are not encrypted.
        spool: The spool; None where there is none.
        fallback: Records that Kafka did not accept: the handler, or memory.
        handler: Stored objects that wait for replay; None where there is no store.
        worker: Replays them; None where there is no store.
        subjects: The keys of subjects; None where events have none.
    """

    room: Room
    intake: Intake
    intakes: Intakes
    batcher: AuditBatcher
    dispatcher: Dispatcher
    keyring: DataKeyring | None
    spool: Spool | None
    fallback: FallbackHandler | MemoryFallback
    handler: FallbackHandler | None
    worker: RetryWorker | None = None
    subjects: WatchedSubjects | None = None

    def oldest_age(self) -> float:
        """Return the age in seconds of the oldest event that is neither delivered nor stored; 0 where there is none.

        The age counts from the moment at which the event came to the part that it is in now.
        """
        moments = [self.batcher.oldest, self.dispatcher.oldest, self.fallback.oldest]
        if self.spool is not None:
            moments.append(self.spool.busy_since)
        oldest = min((moment for moment in moments if moment is not None), default=None)
        return max(time.monotonic() - oldest, 0.0) if oldest is not None else 0.0
