"""Records in the trail that a job opens an archive: once, where the job is started."""

from __future__ import annotations

from pathlib import Path

from telemetry.audit.receipt import Receipt
from telemetry.config import TelemetryConfig
from telemetry.trail.read_event import Access, record_access


def record_read(
    config: TelemetryConfig | Path | str,
    *,
    archive: str,
    snapshot: int | None = None,
    reader: str | None = None,
    reason: str | None = None,
    program: str = "telemetry.spark",
) -> Receipt | None:
    """Write the ``telemetry.read`` event of a job and wait for its delivery, before anything is opened.

    Args:
        config: The configuration, or its file; its ``read_audit`` says what happens if the event cannot be written.
        archive: Name or place of the archive.
        snapshot: Iceberg's id of the snapshot that is read.
        reader: Person who reads; default: the user of the operating system.
        reason: Reason for reading, such as the number of a ticket.
        program: Program that reads.

    Returns:
        The event's receipt; None if none was written.

    Raises:
        ReadNotRecordedError: The event could not be written, and ``read_audit`` is ``required``.
        ConfigurationError: The same, because the configuration cannot work.
    """
    if not isinstance(config, TelemetryConfig):
        config = TelemetryConfig.load(config)
    source = {"kind": "archive", "archive": archive, "snapshot": snapshot}
    return record_access(config, Access(reader=reader, reason=reason, program=program), sources=[source], filters={})
