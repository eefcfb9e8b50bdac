"""Reads the whole trail into a verifier, and says what was read."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

from telemetry.config import TelemetryConfig
from telemetry.reader import KafkaSource, ReadRange
from telemetry.reader.verify.verifier import Verifier
from telemetry.trail.progress import NO_PROGRESS, ProgressDisplay
from telemetry.trail.stored import open_fallback
from telemetry.version import __version__


def read_into(
    verifier: Verifier,
    config: TelemetryConfig,
    *,
    starts: Mapping[int, int] | None = None,
    progress: ProgressDisplay = NO_PROGRESS,
) -> dict[str, str]:
    """Give every record to the verifier; return a description of what was read, for the report.

    Args:
        verifier: Gets the records.
        config: Configuration of topic and store; no key is needed to read what is on the topic.
        starts: Offset of each partition to start at; None for the beginning.
        progress: Shows how far it is.

    Raises:
        TransportError: The topic cannot be read.
        StorageError: The store cannot be read.
    """
    # What was not read cannot be reported as missing or present, so the report says exactly what was read.
    audit = config.audit_config
    scope = {"topic": audit.kafka_topic, "brokers": audit.kafka_brokers, "read with": f"telemetry {__version__}"}
    with ExitStack() as stack, progress.step("verifying") as step:
        if audit.storage_config is not None:
            # Before the topic: an object that is replayed meanwhile is then read from the topic, and none is missed.
            scope["fallback store"] = audit.storage_config.provider
            stored = open_fallback(config, stack)
            verifier.observe_all(stored.with_held() if stored is not None else ())
        source = stack.enter_context(KafkaSource(audit, within=ReadRange(starts=starts), progress=step))
        for record in source:
            verifier.observe(record)
            step.advance()
        verifier.note_open_transactions(source.open_transactions())
        for partition, (low, high) in sorted(source.bounds.items()):
            verifier.note_bounds(audit.kafka_topic, partition, low=low, high=high)
            scope[f"partition {partition}, offsets"] = f"{low} to {high - 1}" if high > low else f"none after {low}"
    return scope
