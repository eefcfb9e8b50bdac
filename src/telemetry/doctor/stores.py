"""Checks everything that keeps keys and events outside Kafka: key service, fallback store, spool."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from telemetry.audit.spool.own_files import open_folder
from telemetry.audit.spool.segment import QUARANTINED_SUFFIX, SUFFIX, SpoolSegment
from telemetry.config import AuditConfig
from telemetry.doctor.report import CheckResult, Status
from telemetry.encryption import EncryptionProviderFactory
from telemetry.exceptions import EncryptionError, SpoolError, StorageError, TelemetryError
from telemetry.format.objects.stored_name import QUARANTINE, REJECTED, SHELVES, WAITING
from telemetry.storage import StorageProvider, StorageProviderFactory

_MAX_COUNTED = 10_000
_KEY, _STORE = EncryptionError.exit_code, StorageError.exit_code


def key_result(config: AuditConfig) -> CheckResult:
    """Wrap and unwrap a trial key."""
    if config.relay_only:
        return CheckResult("key", Status.SKIPPED, "relay_only is set: this process needs no key", "")
    if not config.encryption_enabled or config.encryption_config is None:
        return CheckResult("key", Status.SKIPPED, "encryption is off", "set encryption_enabled and encryption_config")
    provider = config.encryption_config.provider
    began = time.monotonic()
    try:
        with EncryptionProviderFactory.create(config.encryption_config) as keys:
            keys.check()
    except TelemetryError as exc:
        return CheckResult.failed(
            "key", exc, remedy=f"check encryption_config and the rights of {provider}", exit_code=_KEY
        )
    took = (time.monotonic() - began) * 1_000
    # A key service that may only wrap is the recommended set-up of a process that logs.
    steps = "wrapped" if config.encryption_config.writer_only else "wrapped and unwrapped"
    return CheckResult("key", Status.OK, f"{provider} {steps} a trial data key in {took:.0f} ms")


def store_results(config: AuditConfig) -> Iterator[CheckResult]:
    """Write, read and delete a trial object; count the objects that wait for replay, and those that never will."""
    if not config.fallback_enabled or config.storage_config is None:
        message = "there is no fallback: while Kafka is away, events wait in memory and then fail"
        yield CheckResult("store", Status.SKIPPED, message, "set storage_config")
        return
    try:
        with StorageProviderFactory.create(config.storage_config) as store:
            store.check()
            yield CheckResult("store", Status.OK, f"{config.storage_config.provider} can be written, read and cleared")
            waiting = _count(store, config.kafka_topic, WAITING)
            unreplayable = sum(_count(store, config.kafka_topic, folder) for folder in (REJECTED, QUARANTINE))
    except TelemetryError as exc:
        yield CheckResult.failed(
            "store", exc, remedy="check storage_config and the rights that its docstring lists", exit_code=_STORE
        )
        return
    if unreplayable:
        message = f"{unreplayable} objects were rejected or quarantined, {waiting} wait for replay"
        yield CheckResult("store.backlog", Status.WARNING, message, "inspect them: telemetry fallback list")
    else:
        yield CheckResult("store.backlog", Status.OK, f"{waiting} objects wait for replay")


def _count(store: StorageProvider, topic: str, folder: str) -> int:
    """Return how many objects of a topic are in a folder, of either format; it stops counting at some point."""
    prefixes = [shelf.below(folder, f"{topic}/") for shelf in SHELVES]
    return sum(1 for prefix in prefixes for _ in islice(store.list(prefix), _MAX_COUNTED))


def spool_results(config: AuditConfig) -> Iterator[CheckResult]:
    """Check the spool folder, and the segments that dead processes left in it."""
    folder = config.spool_path
    if folder is None:
        message = "there is no spool: accepted events do not survive a crash of the process"
        yield CheckResult("spool", Status.SKIPPED, message, "set spool_path")
        return
    try:
        open_folder(folder)
    except SpoolError as exc:
        yield CheckResult.failed("spool", exc)
        return
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        yield CheckResult("spool", Status.WARNING, f"{folder} has mode {mode:04o}", "chmod 700")
    else:
        yield CheckResult("spool", Status.OK, f"{folder} can be written")
    yield _segments_result(folder)


def _segments_result(folder: Path) -> CheckResult:
    # Only an attempt to open a segment shows whether its process is alive: its lock ends with the process.
    left, alive, damaged = 0, 0, len(list(folder.glob("*.damaged*")))
    for path in islice(folder.glob(f"*{SUFFIX}"), _MAX_COUNTED):
        try:
            segment = SpoolSegment.adopt(path)
        except SpoolError:
            damaged += 1
            continue
        if segment is None:  # its process has it open and locked
            alive += 1
        else:
            left += 1
            segment.close()
    quarantined = len(list(folder.glob(f"*{QUARANTINED_SUFFIX}")))
    message = f"{alive} running processes, {left} segments of processes that ended, {damaged} damaged"
    if quarantined:
        message = f"{message}, {quarantined} quarantined"
        remedy = "look at them, then bring them back (telemetry spool accept) or delete them"
        return CheckResult("spool.segments", Status.WARNING, message, remedy)
    if damaged:
        return CheckResult("spool.segments", Status.WARNING, message, "keep the damaged files and inspect them")
    if left:
        return CheckResult(
            "spool.segments", Status.WARNING, message, "start a process on this spool: it sends their events"
        )
    return CheckResult("spool.segments", Status.OK, message)
