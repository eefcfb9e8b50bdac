"""Defines what is forwarded, and what a target may answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from telemetry.exceptions import TargetError
from telemetry.reader.entry import Entry, RawRecord


class Described(NamedTuple):
    """What a target needs to know of a record beside its document.

    Attributes:
        id: Id of the event; of a record that has none, its place. A copy has the same one.
        event_type: What happened.
        time: When it happened, in seconds since the epoch.
        logged: When it was logged, in seconds since the epoch.
        service: Service that logged it; empty where the event is sealed.
        environment: Its environment.
        version: Its version.
        outcome: ``success``, ``failure``, ``denied``, or None.
        trace_id: OpenTelemetry trace in hexadecimal, or None.
        span_id: OpenTelemetry span in hexadecimal, or None.
    """

    id: str
    event_type: str
    time: float
    logged: float
    service: str = ""
    environment: str = ""
    version: str = ""
    outcome: str | None = None
    trace_id: str | None = None
    span_id: str | None = None


class Parcel(NamedTuple):
    """One record as its target wants it.

    Attributes:
        id: Id by which the target recognizes a copy.
        entry: The entry of the record.
        raw: The record, sealed as it was on the topic.
        content: Bytes of the target's own form.
        lane: Name of the batches that the record may be in; those of one partition in one lane keep their order.
    """

    id: str
    entry: Entry
    raw: RawRecord
    content: bytes
    lane: str = ""


Batch = Sequence[Parcel]


class Patience(Protocol):
    """Says how long something may be tried again."""

    def pause(self, seconds: float) -> bool:
        """Wait for at most this long; return whether to give up."""


class Target(Protocol):
    """A system that events are forwarded to. It is used by one thread."""

    @property
    def name(self) -> str:
        """Kind of the target, for messages and metrics."""

    @property
    def window(self) -> int:
        """How many batches may be on their way before :meth:`settle` is called."""

    def parcel(self, entry: Entry, raw: RawRecord, described: Described, document: Any) -> Parcel:
        """Return a record in the form of this target.

        Args:
            entry: The entry of the record.
            raw: The record.
            described: What it is.
            document: The record in the schema that was chosen, as JSON values.

        Raises:
            ValueError: It cannot be said in the target's form.
        """

    def send(self, batch: Batch) -> None:
        """Hand a batch over, in its order.

        Raises:
            TargetError: The target is away, refuses everything, or refuses this batch.
        """

    def settle(self, patience: Patience) -> None:
        """Wait until the target has acknowledged every batch since the last call.

        Args:
            patience: Ends the wait.

        Raises:
            TargetAwayError: It has not, in time: all of them have to be sent again.
        """

    def close(self) -> None:
        """Drop the connection."""


class BatchRefusedError(TargetError):
    """The target refuses the content of a batch for good: of one of its events, or of all.

    Args:
        reason: Why, as a number of the target's protocol and its meaning; never a text that the target wrote.
    """

    retriable = False

    def __init__(self, reason: str) -> None:
        super().__init__(f"the target refused a batch: {reason}")
        self.reason = reason


class PartlyRefusedError(BatchRefusedError):
    """The target accepted a part of a batch, and does not say which; nothing of it may be sent again by itself.

    Args:
        reason: Why.
        count: How many were refused.
    """

    def __init__(self, reason: str, *, count: int) -> None:
        super().__init__(reason)
        self.count = count


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that the target refused for good, or that could not be opened.

    Attributes:
        raw: The record, sealed as it is on the topic.
        reason: Why.
    """

    raw: RawRecord
    reason: str
