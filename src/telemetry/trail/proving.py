"""Reads a trail twice to prove some of its events: to find their records, then to find what proves them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from telemetry.config import TelemetryConfig
from telemetry.exceptions import IncompleteError, TamperedError, VerificationError
from telemetry.format.proof.inclusion import InclusionProof
from telemetry.format.value.message import parse
from telemetry.reader.entry import SourceRecord
from telemetry.reader.prove.batch_prover import BatchProver
from telemetry.reader.prove.find import ClaimedPosition, Claims, find_positions
from telemetry.reader.prove.stream_prover import MAX_CANDIDATES
from telemetry.reader.trust import Judgement, TrustPolicy
from telemetry.trail.place import TrailPlace
from telemetry.trail.progress import NO_PROGRESS, ProgressDisplay
from telemetry.trail.records import trail_records


class ProvenEvent(NamedTuple):
    """The proof of an event, and why the keys that signed its checkpoint are believed."""

    event_id: str
    proof: InclusionProof
    believed: tuple[Judgement, ...]


class UnprovenEvent(NamedTuple):
    """An event without a proof, and why."""

    event_id: str
    error: VerificationError

    def named_error(self) -> VerificationError:
        """Return the error with the event's id in its message."""
        if self.event_id in str(self.error):
            return self.error
        return type(self.error)(f"event {self.event_id}: {self.error}")


def prove_events(
    config: TelemetryConfig,
    event_ids: Collection[str],
    *,
    policy: TrustPolicy,
    progress: ProgressDisplay = NO_PROGRESS,
    file: Path | None = None,
    place: TrailPlace | None = None,
) -> Iterator[ProvenEvent | UnprovenEvent]:
    """Yield the outcome for each event, in their order.

    1. Find each position in a producer's stream that claims to be one of the events; forged records can add positions.
    2. Collect the records and checkpoints that prove each of them, in one pass over the trail.
    3. Keep the first that holds: a signature covers one record at each position.

    Args:
        config: Configuration of topic and store.
        event_ids: UUIDv7 of the events, each once.
        policy: Who may sign what.
        progress: Shows how far it is.
        file: A copy of the trail to read instead, whole and twice.
        place: A place to read instead, as far as it has these events and what proves them.

    Raises:
        ConfigurationError: The file cannot be opened.
        TransportError: The topic cannot be read.
        StorageError: The store or a temporary file cannot be read or written.
    """
    if place is not None:
        yield from _prove_near(config, event_ids, policy=policy, progress=progress, place=place)
        return
    read = partial(trail_records, config, progress=progress, file=file)
    yield from _prove(read, event_ids, policy=policy, progress=progress)


def _prove_near(
    config: TelemetryConfig,
    event_ids: Collection[str],
    *,
    policy: TrustPolicy,
    progress: ProgressDisplay,
    place: TrailPlace,
) -> Iterator[ProvenEvent | UnprovenEvent]:
    """Yield the outcomes by the smallest part of a place that has what proves an event."""
    outcomes: dict[str, ProvenEvent | UnprovenEvent] = {}
    for part in place.near(event_ids):
        read = partial(trail_records, config, progress=progress, place=part)
        left = [event_id for event_id in event_ids if _is_left(outcomes.get(event_id))]
        if left:
            found = _prove(read, left, policy=policy, progress=progress)
            outcomes |= {outcome.event_id: outcome for outcome in found}
    for event_id in event_ids:
        yield outcomes.get(event_id) or UnprovenEvent(event_id, _missing(event_id))


def _is_left(outcome: ProvenEvent | UnprovenEvent | None) -> bool:
    return outcome is None or (isinstance(outcome, UnprovenEvent) and isinstance(outcome.error, IncompleteError))


def _prove(
    read: Callable[[str], Iterator[SourceRecord]],
    event_ids: Collection[str],
    *,
    policy: TrustPolicy,
    progress: ProgressDisplay,
) -> Iterator[ProvenEvent | UnprovenEvent]:
    what = "the event" if len(event_ids) == 1 else f"{len(event_ids)} events"
    # 1.
    found = find_positions(read(f"looking for {what}"), event_ids, policy=policy)
    chosen = {event_id: claims.positions[:MAX_CANDIDATES] for event_id, claims in found.items()}
    positions = dict.fromkeys(position for claimed in chosen.values() for position in claimed)
    batch = BatchProver(positions, trusted=policy)
    try:
        # 2.
        if positions:
            batch.observe_all(read(f"collecting what proves {what}"))
        # 3. One at a time: together the records may not fit into memory.
        with progress.step("writing proofs", total=len(event_ids)) as step:
            for event_id in event_ids:
                yield _outcome(batch, event_id, chosen[event_id], found[event_id])
                step.advance()
    finally:
        batch.close()


def _outcome(
    batch: BatchProver, event_id: str, positions: tuple[ClaimedPosition, ...], claims: Claims
) -> ProvenEvent | UnprovenEvent:
    errors: list[VerificationError] = []
    for position in positions:
        try:
            proof, believed = batch.proof(position)
        except VerificationError as exc:
            errors.append(exc)
            continue
        if parse(proof.value).attributes["id"] == event_id:
            return ProvenEvent(event_id, proof, believed)
        message = f"the record that was signed in the place of event {event_id} is another one"
        errors.append(TamperedError(message))
    if claims.is_crowded:
        message = f"more records claim to be event {event_id} than there is room for; prove it without others"
        return UnprovenEvent(event_id, IncompleteError(message))
    return UnprovenEvent(event_id, errors[0] if errors else _missing(event_id))


def _missing(event_id: str) -> IncompleteError:
    return IncompleteError(f"event {event_id} is not in the trail that was read")
