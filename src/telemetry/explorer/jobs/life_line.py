"""Follows one event from the call to its checkpoint, as a job."""

from __future__ import annotations

from dataclasses import dataclass, replace

from telemetry.explorer.access.right import Right
from telemetry.explorer.jobs.job_progress import JobProgress
from telemetry.explorer.jobs.trail_source import TrailSource
from telemetry.reader.trust import TrustPolicy
from telemetry.trail.life_steps import KAFKA_KEY, LifeStep, life_steps
from telemetry.trail.tracing import EventTracer

_STEP_BYTES = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeLines:
    """The lives of the records that claim to be one event.

    Attributes:
        event_id: The event.
        lives: The steps of each of the records; more than one record means that at most one was signed.
        records: How many records were read to find them.
        unreadable: Those of them that could not be read.
    """

    event_id: str
    lives: tuple[tuple[LifeStep, ...], ...]
    records: int
    unreadable: int

    @property
    def weight(self) -> int:
        """Bytes in memory, about."""
        return _STEP_BYTES * sum(map(len, self.lives))


class LifeLineWork:
    """The life line of one event; see :class:`telemetry.explorer.jobs.work.Work`. Nothing is opened, and no user is named.

    Args:
        source: The trail.
        event_id: UUIDv7 of the event.
        policy: Who may sign what; None if nobody said.
    """

    needs = Right.SEALED
    is_shared = False

    def __init__(self, source: TrailSource, event_id: str, *, policy: TrustPolicy | None) -> None:
        self._source = source
        self._policy = policy if policy is not None else TrustPolicy(())
        self.event_id = event_id
        self.name = f"life line {event_id}"
        self.label = f"following event {event_id}"
        self.title = f"Life line of event {event_id}"

    def run(self, progress: JobProgress) -> LifeLines:
        """Find the records that claim to be the event, and what covers them."""
        tracer = EventTracer(
            self._source.config, self.event_id, file=self._source.file, place=self._source.archive, progress=progress
        )
        records = tracer.trace(self._policy.afresh())
        reasons = tracer.reasons(records)
        has_keys = bool(self._policy.keys)
        return LifeLines(
            event_id=self.event_id,
            lives=tuple(
                tuple(map(_without_user, life_steps(one, None, reasons, has_keys=has_keys))) for one in records
            ),
            records=tracer.tally.records,
            unreadable=tracer.tally.unreadable,
        )


def _without_user(step: LifeStep) -> LifeStep:
    """Leave out the Kafka key: it can be the user, which a sealed viewer may not see, and nothing records that it is shown."""
    return replace(step, facts={name: text for name, text in step.facts.items() if name != KAFKA_KEY})
