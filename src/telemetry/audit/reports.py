"""Defines the counts of a process: at any moment, and after ``shutdown()``."""

from __future__ import annotations

from dataclasses import dataclass

SHUTDOWN_SECONDS = 30.0
"""How long ``shutdown()`` may take unless the caller says otherwise."""


@dataclass(frozen=True, slots=True)
class AuditStats:
    """A snapshot of the counts of one process.

    ``logged = delivered + stored + failed + queued + unsent`` at every moment.

    Attributes:
        logged: Events that ``log()`` accepted.
        delivered: Acknowledged by Kafka.
        stored: Acknowledged by the fallback store; ``replayed`` says how many of all objects went on to Kafka.
        failed: Accepted, then failed through their receipts.
        queued: Accepted and not settled: in memory, and in the spool where there is one.
        refused: Events that were not accepted: the call or its receipt raised.
        lost: Events that failed while nobody waited on their receipt; each is in ``failed`` or ``refused`` as well.
        waiting: Events that wait for room or for a data key, and are not accepted yet.
        replayed: Events of the fallback store that this process sent to the topic.
        rejected: Events of the fallback store that Kafka will never accept.
        unmarked: Events that an earlier version had stored or spooled, sent although they have no mark of this service.
        recovered: Events of dead processes' spool segments that this process settled.
        send_errors: Times Kafka did not accept what was sent.
        diverted: Whether events go to the fallback now.
        unsent: Events that were not sent because the configuration sends none (``memory:``, ``console:``, ``enabled=False``).
    """

    logged: int = 0
    delivered: int = 0
    stored: int = 0
    failed: int = 0
    queued: int = 0
    refused: int = 0
    lost: int = 0
    waiting: int = 0
    replayed: int = 0
    rejected: int = 0
    unmarked: int = 0
    recovered: int = 0
    send_errors: int = 0
    diverted: bool = False
    unsent: int = 0


@dataclass(frozen=True, slots=True)
class ShutdownReport:
    """What happened to the events of a process.

    Attributes:
        delivered: Acknowledged by Kafka.
        stored: In the fallback store, or replayed from there.
        spooled: Kept in the spool for the next process.
        failed: Failed earlier, through their receipts.
        unsent: Not sent, because the configuration sends nothing.
    """

    delivered: int
    stored: int
    spooled: int = 0
    failed: int = 0
    unsent: int = 0

    @property
    def left(self) -> int:
        """Events that are neither on the topic nor in the fallback store, but safe in the spool."""
        return self.spooled
