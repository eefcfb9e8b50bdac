"""Reads the trail for a pack: records the read first, then opens and selects the events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from telemetry.config import TelemetryConfig
from telemetry.evidence.build.selection import Selected, Selection
from telemetry.evidence.pack.manifest import CountFacts
from telemetry.evidence.request import EvidenceRequest
from telemetry.reader import FileSource, KafkaSource
from telemetry.reader.sources.source import Source, describe
from telemetry.reader.trust import TrustPolicy
from telemetry.trail.progress import ProgressDisplay, StepProgress
from telemetry.trail.read_event import Access, record_access
from telemetry.trail.stored import open_fallback, open_storage_keys
from telemetry.trail.trail import Trail, open_trail


class ReadSelection(NamedTuple):
    """What was read.

    Attributes:
        events: The events, in the order of their ids.
        population: Ids of the events that met the conditions.
        counts: What became of the records.
        read_event: Id of the event that records the read; None where nothing was opened, or the caller recorded it.
    """

    events: list[Selected]
    population: frozenset[str]
    counts: CountFacts
    read_event: str | None


def read_selection(
    config: TelemetryConfig,
    request: EvidenceRequest,
    *,
    policy: TrustPolicy,
    progress: ProgressDisplay,
    is_recorded: bool,
) -> ReadSelection:
    """Read the trail once and select the events.

    1. The trail can be opened: a read that cannot begin is not recorded.
    2. The read is recorded, with the conditions and the seed: before anybody can know which events the seed draws.
    3. The events are opened and selected.

    Args:
        config: Configuration of the trail and of the key that opens it.
        request: Which events.
        policy: Who may sign what.
        progress: Shows how far it is.
        is_recorded: Whether the caller has recorded the read.

    Raises:
        ReadNotRecordedError: The read could not be recorded.
        ConfigurationError: More events are selected than a pack can have.
        TransportError: Kafka cannot be read.
        StorageError: The store or the file cannot be read.
    """
    # 1.
    with _opened(config, request, policy, progress) as (trail, step):
        # 2. Nothing is opened where the events stay sealed.
        own = _record(config, request, trail) if request.content and not is_recorded else None
        # 3.
        selection = Selection(request, own=own)
        for entry in trail:
            selection.add(entry)
            step.advance()
        # While the trail has its keys.
        events = [_disclosed(trail, each) for each in selection.events]
        return ReadSelection(events, selection.population, selection.counts(trail.counts), own)


def _filters_of(config: TelemetryConfig, request: EvidenceRequest) -> dict[str, object]:
    """Return what selects the events, for the record of the read; with the seed of a sample."""
    filters = request.describe(with_text=config.audit_config.encryption_enabled)
    if request.sample is not None:
        filters["sample"] = {"size": request.sample.size, "seed": request.sample.seed}
    return filters


def _disclosed(trail: Trail, selected: Selected) -> Selected:
    """Return an event with what shows its content without a key."""
    return selected if selected.opened is None else selected._replace(disclosure=trail.disclose(selected.opened))


@contextmanager
def _opened(
    config: TelemetryConfig, request: EvidenceRequest, policy: TrustPolicy, progress: ProgressDisplay
) -> Iterator[tuple[Trail, StepProgress]]:
    # The read is recorded here, with more than a trail knows of it.
    silent = config.model_copy(update={"audit_config": config.audit_config.model_copy(update={"read_audit": "off"})})
    with ExitStack() as stack:
        step = stack.enter_context(progress.step("selecting events"))
        sources = _sources(config, request, stack, step)
        trail = open_trail(
            silent,
            *sources,
            wanted=request.filter if request.content else None,
            sealed=not request.content,
            trust=policy,
        )
        yield stack.enter_context(trail), step


def _sources(
    config: TelemetryConfig, request: EvidenceRequest, stack: ExitStack, step: StepProgress
) -> tuple[Source, ...]:
    if request.archive is not None:
        wanted = request.wanted
        return (request.archive.between(wanted.since, wanted.until).source(progress=step),)
    if request.file is not None:
        return (FileSource(request.file, keys=open_storage_keys(config, stack)),)
    # Before the topic: an object that is replayed meanwhile is then read from the topic, and none is missed.
    stored = open_fallback(config, stack)
    topic = KafkaSource(config.audit_config, within=request.within, progress=step, merged=True)
    return (topic,) if stored is None else (stored, topic)


def _record(config: TelemetryConfig, request: EvidenceRequest, trail: Trail) -> str | None:
    receipt = record_access(
        config,
        Access(reader=request.reader, reason=request.reason, program=request.program),
        sources=[describe(source) for source in trail.sources],
        filters=_filters_of(config, request),
    )
    return receipt.event_id if receipt is not None else None
