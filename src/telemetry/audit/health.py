"""Defines what ``health()`` answers: whether events are accepted safely now, why not, and how the pipeline is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

State = Literal["not_started", "running", "inherited", "stopping", "stopped"]


class NotReady(NamedTuple):
    """A reason why events are not accepted safely now.

    Attributes:
        code: One word of a closed list, for programs.
        advice: What it means, and what to do.
    """

    code: str
    advice: str


NOT_STARTED = NotReady("not_started", "telemetry has not started; call start()")
STOPPED = NotReady("stopped", "telemetry is shut down or is shutting down; create a new Telemetry to log again")
SENDER_FAILED = NotReady(
    "sender_failed", "the sender ended with an error, which is in the log; call shutdown() and start the process again"
)
NO_DATA_KEY = NotReady(
    "no_data_key",
    "no data key can be had, so events cannot be sealed; check the key service and the right to use the key",
)
QUEUE_FULL = NotReady(
    "queue_full", "the queue is full, so calls wait and are then refused; Kafka and the fallback do not keep up"
)
NOWHERE_SAFE = NotReady(
    "nowhere_safe",
    "neither Kafka, a fallback store nor a spool accepts events, so they are in memory alone; restore one of them",
)

REASONS = (NOT_STARTED, STOPPED, SENDER_FAILED, NO_DATA_KEY, QUEUE_FULL, NOWHERE_SAFE)
"""Every reason that there is; ``health()`` gives those that hold, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How the pipeline of this process is; a snapshot.

    Attributes:
        state: ``not_started``, ``running``, ``stopping``, ``stopped``, or ``inherited``: started before a fork, so this
            process gets a pipeline of its own with its first event.
        reasons: Why events are not accepted safely now; empty when they are.
        oldest_undelivered_seconds: Age of the oldest event that is neither delivered nor stored; 0 without one.
        diverted: Whether events go to the fallback instead of Kafka.
        diverted_since: Since when they do, in UTC; None while they go to Kafka.
        diverted_reason: Why they do, in one word; None while they go to Kafka.
        backlog_objects: Objects of this process in the fallback store that wait for replay.
        backlog_events: Events in them.
        backlog_bytes: Their size.
        backlog_oldest_seconds: Age of the oldest of them; 0 without one.
        queued: Events that are accepted and not settled.
        queue_fill: How full the queue is, from 0 to 1, in events or in bytes, whichever is more.
        waiting: Events that wait for room or for a data key.
        data_key_age_seconds: Age of the current data key; None without encryption.
        data_key_uses_left: How many events it may still seal; None without encryption.
        data_key_overdue: Whether it is older than ``data_key_max_age_seconds`` and the key service gave no new one.
        spool_bytes: Size of the spool segment; None without a spool.
        spool_max_bytes: Bound of that size; None without a spool.
        lost: Events that failed while nobody waited on their receipt.
        refused: Events that were not accepted.
        last_delivered_at: When Kafka last acknowledged an event, in UTC; None if it has not yet.
    """

    state: State
    reasons: tuple[NotReady, ...] = ()
    oldest_undelivered_seconds: float = 0.0
    diverted: bool = False
    diverted_since: datetime | None = None
    diverted_reason: str | None = None
    backlog_objects: int = 0
    backlog_events: int = 0
    backlog_bytes: int = 0
    backlog_oldest_seconds: float = 0.0
    queued: int = 0
    queue_fill: float = 0.0
    waiting: int = 0
    data_key_age_seconds: float | None = None
    data_key_uses_left: int | None = None
    data_key_overdue: bool = False
    spool_bytes: int | None = None
    spool_max_bytes: int | None = None
    lost: int = 0
    refused: int = 0
    last_delivered_at: datetime | None = None

    @property
    def ready(self) -> bool:
        """Whether an event that is logged now is accepted, and is durable or deliverable.

        It is while Kafka accepts events, or the fallback store does, or the spool commits them. A failure that nothing has
        met yet does not show: Kafka counts as accepting until an event or a checkpoint has failed.
        """
        return not self.reasons

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values: ``ready`` first, reasons as ``{code, advice}``, moments in RFC 3339."""
        values: dict[str, Any] = {"ready": self.ready} | asdict(self)
        values["reasons"] = [reason._asdict() for reason in self.reasons]
        for name in ("diverted_since", "last_delivered_at"):
            moment = values[name]
            values[name] = None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return values


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHealth:
    """How the stream of one service is, of those that a process carries; a snapshot.

    Attributes:
        service_name: The service.
        waiting: Events that wait for room or for a data key.
        used_share: How much of its share of the queue it uses, from 0 to 1.
        has_data_key: Whether the next event can be sealed without a call to the key service, or events are not encrypted.
        oldest_waiting_seconds: How long the first event has waited; 0 where none does.
    """

    service_name: str
    waiting: int
    used_share: float
    has_data_key: bool
    oldest_waiting_seconds: float
