"""Records in the trail that it is opened, what leaves it, what is removed from its archive, and whose keys are destroyed.

The events are ``telemetry.read``, ``telemetry.exported``, ``telemetry.redacted`` and ``telemetry.forgotten``. Auditors ask for both (PCI DSS 10.2.1.3, HIPAA 164.312(b)).
"""

from __future__ import annotations

import getpass
import logging
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from telemetry.audit.accept.draft.fields import OwnEventType
from telemetry.audit.receipt import Receipt
from telemetry.audit.reports import SHUTDOWN_SECONDS
from telemetry.audit.runtime import Runtime
from telemetry.audit.service import AuditService
from telemetry.config import TelemetryConfig
from telemetry.exceptions import ConfigurationError, ReadNotRecordedError, TelemetryError, TransportError
from telemetry.reader.trust.policy import READER_SERVICE
from telemetry.system.core_dumps import disable_core_dumps

logger = logging.getLogger("telemetry.reading")

EVENT_TYPE = "telemetry.read"
EXPORTED_TYPE = "telemetry.exported"
REDACTED_TYPE = "telemetry.redacted"
SubjectEvent = Literal["telemetry.forgotten", "telemetry.held", "telemetry.released"]
_SUBJECT_ACTIONS: dict[SubjectEvent, str] = {
    "telemetry.forgotten": "delete",
    "telemetry.held": "hold",
    "telemetry.released": "release",
}
_DOCS = "docs/reading.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who reads, and why.

    Attributes:
        reader: Person who reads; default: the user of the operating system, who is recorded in any case.
        reason: Reason for reading, such as the number of a ticket.
        program: Program that reads; default: the name of the program.
    """

    reader: str | None = None
    reason: str | None = None
    program: str | None = None


def record_access(
    config: TelemetryConfig, access: Access, *, sources: Sequence[Mapping[str, Any]], filters: Mapping[str, Any]
) -> Receipt | None:
    """Write the event of a read and wait until Kafka has it, or else the fallback store if one is configured.

    It is sealed like every event: the text that was searched for is in its payload and nowhere else.

    Args:
        config: Configuration of the trail; its ``read_audit`` says what happens if the event cannot be written.
        access: Person and reason.
        sources: Descriptions of the sources that are read.
        filters: Description of the events that are wanted.

    Returns:
        The event's receipt; None if it was not written.

    Raises:
        ReadNotRecordedError: The event could not be written, and ``read_audit`` is ``required``.
        ConfigurationError: The same, because the configuration cannot work.
    """
    # From here on the process of a reader has keys and events in its memory as well.
    if config.audit_config.disable_core_dumps:
        disable_core_dumps()
    details = {"sources": [dict(source) for source in sources], "filters": dict(filters)}
    return _record(config, access, _Happened(EVENT_TYPE, details))


def record_export(
    config: TelemetryConfig, access: Access, *, description: Mapping[str, Any], events: int
) -> Receipt | None:
    """Write the event of events that leave the trail, and wait for it as :func:`record_access` does.

    Args:
        config: Configuration of the trail; its ``read_audit`` says what happens if the event cannot be written.
        access: Person and reason.
        description: What leaves the trail, and in which form.
        events: How many events.

    Returns:
        The event's receipt; None if it was not written.

    Raises:
        ReadNotRecordedError: The event could not be written, and ``read_audit`` is ``required``.
        ConfigurationError: The same, because the configuration cannot work.
    """
    return _record(config, access, _Happened(EXPORTED_TYPE, {"description": dict(description), "events": events}))


def record_redaction(
    config: TelemetryConfig, access: Access, *, description: Mapping[str, Any], events: int
) -> Receipt:
    """Write the event of a redaction, and wait for it as :func:`record_access` does; ``read_audit`` cannot turn it off.

    Args:
        config: Configuration of the trail.
        access: Person and reason.
        description: Request and archive; never the person whose events are redacted.
        events: How many events.

    Returns:
        The event's receipt.

    Raises:
        ReadNotRecordedError: The event could not be written; nothing may be redacted.
        ConfigurationError: The same, because the configuration cannot work.
    """
    happened = _Happened(REDACTED_TYPE, {"description": dict(description), "events": events}, action="redact")
    return _write_before_the_act(config, access, happened, page="docs/archive.md")


def record_about_subjects(
    config: TelemetryConfig, access: Access, *, event_type: SubjectEvent, key_ids: Sequence[str]
) -> Receipt:
    """Write the event of subjects that are forgotten, held or released; ``read_audit`` cannot turn it off.

    It names their keys and never a user: it stays when the subjects are gone.

    Args:
        config: Configuration of the trail.
        access: Person and reason.
        event_type: What is done.
        key_ids: Keys of the subjects.

    Returns:
        The event's receipt.

    Raises:
        ReadNotRecordedError: The event could not be written; nothing may be changed.
        ConfigurationError: The same, because the configuration cannot work.
    """
    happened = _Happened(event_type, {"subject_keys": list(key_ids)}, action=_SUBJECT_ACTIONS[event_type])
    return _write_before_the_act(config, access, happened, page="docs/subject-keys.md")


class _Happened(NamedTuple):
    """What is recorded.

    Attributes:
        event_type: Type of the event.
        details: What is beside person and reason in the payload.
        action: What was done.
    """

    event_type: str
    details: dict[str, Any]
    action: str = "read"


def _record(config: TelemetryConfig, access: Access, happened: _Happened) -> Receipt | None:
    policy = config.audit_config.read_audit
    if policy == "off":
        return None
    try:
        return _write_all(config, access, happened)
    except TelemetryError as exc:
        if policy == "required" and isinstance(exc, ConfigurationError):
            raise  # it says what to correct, and reading would fail for the same reason
        if policy == "required":
            raise ReadNotRecordedError(_explain(exc, happened.event_type, config.audit_config.kafka_topic)) from exc
        logger.error("continuing although this read could not be recorded in the trail: %s", exc)  # noqa: TRY400 - the message says all
        return None


def _write_before_the_act(config: TelemetryConfig, access: Access, happened: _Happened, *, page: str) -> Receipt:
    try:
        return _write_all(config, access, happened)
    except ConfigurationError:
        raise  # it says what to correct
    except TelemetryError as exc:
        done = happened.event_type.rpartition(".")[2]
        message = (
            f"nothing was {done}, because the {happened.event_type} event that records it could not be written: {exc}. Allow "
            f"this command to write to topic {config.audit_config.kafka_topic!r} and to use the key, or give it a "
            f"storage_config for the event ({page})"
        )
        raise ReadNotRecordedError(message) from exc


def _write_all(config: TelemetryConfig, access: Access, happened: _Happened) -> Receipt:
    payload = {
        "program": access.program or Path(sys.argv[0]).name or "python",
        "reason": access.reason,
        **happened.details,
        **_person(access),
    }
    return _write(config, access.reader or payload["os_user"], happened._replace(details=payload))


def _write(config: TelemetryConfig, who: str, happened: _Happened) -> Receipt:
    try:
        return _log(config, who, happened, fallback=False)
    except TransportError:
        # Kafka did not acknowledge it in time. The second attempt is another event: the first may arrive as well.
        if config.audit_config.storage_config is None:
            raise
        return _log(config, who, happened, fallback=True)


def _log(config: TelemetryConfig, who: str, happened: _Happened, *, fallback: bool) -> Receipt:
    # One event of a short process: the spool, and the events that mark a start and an end, are for services.
    # It has no subject, so its process needs no right to write to the store of subjects' keys.
    own = {"clear_fields": (), "subject_keys": None}
    changes = {"fallback_enabled": fallback, "spool_path": None, "self_audit": False, **own}
    soon = {"fallback_object_seconds": 0.05, "batch_timeout_ms": 1}
    audit = config.audit_config.model_copy(update={**changes, **soon})
    # Not in a stream of the service that is read: who may read it need not be able to sign for it.
    as_reader = {"service_name": READER_SERVICE, "audit_config": audit}
    runtime = Runtime(config.model_copy(update=as_reader), for_reading=True)
    runtime.start()
    try:
        receipt = AuditService(runtime).log(
            OwnEventType(happened.event_type),
            happened.details,
            who,
            action=happened.action,
            entity="audit_trail",
            entity_id=audit.kafka_topic,
            outcome="success",
        )
        # Said in so many words: an event loop may be running in this thread.
        receipt.wait_delivered()
        return receipt
    finally:
        runtime.shutdown(SHUTDOWN_SECONDS)


def _person(access: Access) -> dict[str, Any]:
    """Return who the operating system says reads, beside who claims to."""
    return {
        "reader": access.reader,
        "os_user": os_user(),
        "sudo_user": os.environ.get("SUDO_USER"),
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }


def os_user() -> str:
    """Return the user of the operating system, whatever the environment says."""
    number = os.getuid() if hasattr(os, "getuid") else None
    try:
        if number is not None:
            import pwd  # noqa: PLC0415 - not on every system

            # Not getpass: it trusts the environment first, which the reader controls.
            return pwd.getpwuid(number).pw_name
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        return f"uid-{number}" if number is not None else "unknown"


def _explain(error: TelemetryError, event_type: str, topic: str) -> str:
    done = "opened" if event_type == EVENT_TYPE else "exported"
    return (
        f"the trail was not {done}, because the {event_type} event that records it could not be written: {error}. "
        f"Allow this reader to write to topic {topic!r} and to use the key, or give it a storage_config for the event, "
        f'or set read_audit to "attempt" or "off" ({_DOCS})'
    )
