"""Causes real faults on the user's own machine and checks that the library keeps its promises.

``telemetry doctor --faults DIR`` runs it. It needs no server: Kafka is embedded, key and fallback store are local.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from telemetry.audit.spool.folder_state import STATE_NAME
from telemetry.exceptions import ConfigurationError, IncompleteError, Problem, TelemetryError
from telemetry.sync import Telemetry
from telemetry.testing.faults.lab import PATIENCE, FaultCounts, FaultLab, hanging_key_service, wait
from telemetry.testing.faults.store_away import StoreAway

ROUNDS = 5
_MAX_ROUNDS = 10_000
_EVENTS = 200
_KEY_USES = 50
_LATENCY_SECONDS = 60.0
_LATEST_KILL_SECONDS = 0.15
_SHORT_SHUTDOWN = 3.0


class FaultOutcome(StrEnum):
    """How a fault ended; the values are stable."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


_NOTHING = FaultCounts()


@dataclass(frozen=True, slots=True)
class FaultResult:
    """The result of one fault.

    Attributes:
        name: Name of the fault; stable.
        outcome: Whether every promise was kept.
        message: What was done and observed; never a secret.
        counts: What became of every event.
        seconds: How long the fault took.
        exit_code: Exit code of a command: 0, 4 if an event is missing or not accounted for, else 1.
    """

    name: str
    outcome: FaultOutcome
    message: str
    counts: FaultCounts = _NOTHING
    seconds: float = 0.0
    exit_code: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "fault": self.name,
            "outcome": self.outcome.value,
            "message": self.message,
            "counts": self.counts.as_dict(),
            "seconds": round(self.seconds, 3),
        }


class _NotPossibleError(Exception):
    """This fault cannot be caused on this machine, or by this user."""


_Observed = tuple[FaultCounts, str]
"""What became of the events, and what was done and observed."""


def run_faults(
    folder: Path, *, rounds: int = ROUNDS, on_result: Callable[[FaultResult], None] = lambda _result: None
) -> list[FaultResult]:
    """Cause every fault, one after the other, in a scratch folder that is removed at the end.

    Args:
        folder: An existing folder; the scratch folder is created in it, and nothing is written elsewhere.
        rounds: How many logging processes are killed, 1 to 10,000.
        on_result: Called with each result as soon as it is known.

    Returns:
        One result for each of :data:`FAULTS`, in their order. A fault that did harm is a result, not an exception.

    Raises:
        ConfigurationError: The folder cannot be used, or ``rounds`` is out of its range.
    """
    if not 1 <= rounds <= _MAX_ROUNDS:
        raise ConfigurationError(Problem("rounds", f"is {rounds}, outside 1 to {_MAX_ROUNDS}"))
    results = []
    with _scratch(folder) as scratch:
        # Each fault gets a folder and brokers of its own, so that none inherits the harm of another.
        for number, (name, cause) in enumerate(_FAULTS.items()):
            result = _result(name, cause, scratch / str(number), rounds)
            results.append(result)
            on_result(result)
    return results


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    try:
        temporary = tempfile.TemporaryDirectory(prefix="telemetry-faults-", dir=folder, ignore_cleanup_errors=True)
    except OSError as exc:
        problem = Problem("folder", f"{folder} cannot be written: {exc.strerror}", "name a folder of your own")
        raise ConfigurationError(problem) from exc
    with temporary as scratch:
        yield Path(scratch)


def _result(name: str, cause: Callable[[FaultLab, int], _Observed], folder: Path, rounds: int) -> FaultResult:
    began = time.monotonic()
    try:
        with FaultLab.opened(folder) as lab:
            counts, message = cause(lab, rounds)
        shutil.rmtree(folder, ignore_errors=True)  # at once: many rounds fill a disk
    except _NotPossibleError as exc:
        return FaultResult(name, FaultOutcome.SKIPPED, str(exc), seconds=time.monotonic() - began)
    except (TelemetryError, OSError) as exc:
        seconds = time.monotonic() - began
        code = exc.exit_code if isinstance(exc, IncompleteError) else 1
        return FaultResult(name, FaultOutcome.FAILED, str(exc), seconds=seconds, exit_code=code)
    seconds = time.monotonic() - began
    if counts.balance:
        return FaultResult(name, FaultOutcome.OK, message, counts, seconds)
    message = f"{message}; the events are not all accounted for"
    return FaultResult(name, FaultOutcome.FAILED, message, counts, seconds, IncompleteError.exit_code)


def _processes_killed(lab: FaultLab, rounds: int) -> _Observed:
    """Kill processes at random moments while they log; every event that they called durable must be found."""
    durable: set[str] = set()
    for _ in range(rounds):
        durable |= _kill_one(lab)
    with Telemetry(lab.config()) as telemetry:
        telemetry.shutdown()
    if left := [path for path in lab.spool.iterdir() if path.name != STATE_NAME]:
        message = f"{len(left)} files are still in the spool although the next process has sent their events"
        raise IncompleteError(message)
    ids = lab.event_ids()
    kept = len(durable & ids)
    counts = FaultCounts(logged=len(durable), delivered=kept, missing=len(durable) - kept)
    return counts, f"{rounds} processes killed; {len(ids) - kept} more events found that had not been called durable"


def _kill_one(lab: FaultLab) -> set[str]:
    with lab.start_worker("endless") as worker:
        # If the process hangs before its first event, the suite must not hang with it.
        guard = threading.Timer(PATIENCE, worker.kill)
        guard.start()
        lines = iter(worker.stdout or ())
        first = next(lines, "").strip()
        guard.cancel()
        # At random after the first durable event: over many rounds, within every step of the pipeline.
        moment = random.uniform(0.0, _LATEST_KILL_SECONDS)  # noqa: S311 - no secret
        killer = threading.Timer(moment, worker.kill)
        killer.start()
        # A line without its end was cut off by the kill: its event was not reported as durable.
        durable = {first, *(line.strip() for line in lines if line.endswith("\n"))}
        killer.join()
    if not first:
        message = "a process that should log logged nothing"
        raise TelemetryError(message)
    return durable


def _kafka_away(lab: FaultLab, _rounds: int) -> _Observed:
    return _kafka_breaks(lab, lab.kafka.stop_brokers, lab.kafka.start_brokers)


def _kafka_hangs(lab: FaultLab, _rounds: int) -> _Observed:
    return _kafka_breaks(lab, lambda: lab.kafka.set_latency(_LATENCY_SECONDS), lambda: lab.kafka.set_latency(0))


def _kafka_breaks(lab: FaultLab, begin: Callable[[], None], end: Callable[[], None]) -> _Observed:
    with Telemetry(lab.config()) as telemetry:
        stats = telemetry.audit.get_audit_stats
        lab.log(telemetry, _EVENTS)
        wait(lambda: stats().queued == 0, "the delivery of the first events")
        begin()
        lab.log(telemetry, _EVENTS)
        wait(lambda: stats().stored >= _EVENTS, "storing what Kafka does not accept")
        end()
        lab.log(telemetry, _EVENTS)
        wait(lambda: stats().queued == 0 and stats().replayed >= stats().stored, "the replay of what was stored")
        replayed = stats().replayed
        counts = lab.shut_down(telemetry)
    return replace(counts, missing=lab.missing()), f"{replayed} events came back from the fallback store"


def _store_gone(lab: FaultLab, _rounds: int) -> _Observed:
    store = StoreAway(lab.store, aside=lab.folder / "aside")
    return _store_breaks(lab, store.take, store.give_back)


def _store_read_only(lab: FaultLab, _rounds: int) -> _Observed:
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        message = "permissions do not apply to this user; run the suite as another one"
        raise _NotPossibleError(message)
    return _store_breaks(lab, lambda: lab.store.chmod(0o500), lambda: lab.store.chmod(0o700))


def _store_breaks(lab: FaultLab, begin: Callable[[], None], end: Callable[[], None]) -> _Observed:
    with Telemetry(lab.config(queue_max_events=_EVENTS)) as telemetry:
        stats = telemetry.audit.get_audit_stats
        begin()
        try:
            lab.kafka.stop_brokers()
            # Twice as many as may wait: the rest must be refused, not lost.
            lab.log(telemetry, 2 * _EVENTS)
            refused = stats().refused
            wait(lambda: stats().diverted, "the diversion to the fallback")
        finally:
            end()
        wait(lambda: stats().queued == 0, "storing the events that had to wait")
        lab.kafka.start_brokers()
        counts = lab.shut_down(telemetry)
    return replace(
        counts, missing=lab.missing()
    ), f"{refused} calls were refused while neither Kafka nor the store accepted events"


def _disk_full(lab: FaultLab, _rounds: int) -> _Observed:
    """Let no file of a process grow while it logs, then lift the limit."""
    if importlib.util.find_spec("resource") is None:
        message = "this system cannot limit the size of a process's files"
        raise _NotPossibleError(message)
    with lab.start_worker("full disk") as worker:
        guard = threading.Timer(2 * PATIENCE, worker.kill)
        guard.start()
        answer = worker.stdout.read() if worker.stdout is not None else ""
        guard.cancel()
    try:
        outcome = json.loads(answer)
    except ValueError as exc:
        message = "the process whose disk was full did not shut down cleanly"
        raise TelemetryError(message) from exc
    if not (outcome["stopped"] and outcome["continued"]):
        message = "the spool did not notice that its disk was full, or did not continue when there was room"
        raise TelemetryError(message)
    kept, ids = lab.event_ids(), set(outcome["ids"])
    settled = {name: outcome[name] for name in ("delivered", "stored", "spooled", "failed")}
    counts = FaultCounts(logged=len(ids), **settled, missing=len(ids - kept))
    return (
        counts,
        "the spool stopped with an error, events were still sent to Kafka, and the spool continued when there was room",
    )


def _key_service_hangs(lab: FaultLab, _rounds: int) -> _Observed:
    with Telemetry(lab.config(data_key_max_uses=_KEY_USES)) as telemetry:
        lab.log(telemetry, 1)
        with hanging_key_service():
            lab.log(telemetry, _EVENTS)
        refused = telemetry.audit.get_audit_stats().refused
        wait(lambda: lab.log(telemetry, 1), "a data key after the key service answers again")
        lab.log(telemetry, _KEY_USES // 2)
        counts = lab.shut_down(telemetry)
    if not refused:
        message = "no call was refused although the data key was used up"
        raise TelemetryError(message)
    return replace(counts, missing=lab.missing()), f"{refused} calls were refused once the data key was used up"


def _everything_at_once(lab: FaultLab, _rounds: int) -> _Observed:
    """Shut down while Kafka, store and key service are all unreachable; the next process sends what is in the spool."""
    store = StoreAway(lab.store, aside=lab.folder / "aside")
    with Telemetry(lab.config(data_key_max_uses=4 * _EVENTS)) as telemetry, hanging_key_service():
        lab.kafka.stop_brokers()
        store.take()
        try:
            for receipt in lab.log(telemetry, _EVENTS):
                receipt.wait_durable(PATIENCE)
            began = time.monotonic()
            # Nothing can be sent or stored, so all events must be in the spool when it returns.
            counts = lab.shut_down(telemetry, _SHORT_SHUTDOWN)
            took = time.monotonic() - began
        finally:
            store.give_back()
    lab.kafka.start_brokers()
    with Telemetry(lab.config()) as telemetry:
        telemetry.shutdown()
    return (
        replace(counts, missing=lab.missing()),
        f"the shutdown took {took:.1f} s of {_SHORT_SHUTDOWN:g} s; the next process sent the rest from the spool",
    )


_FAULTS: dict[str, Callable[[FaultLab, int], _Observed]] = {
    "processes killed": _processes_killed,
    "kafka away": _kafka_away,
    "kafka hangs": _kafka_hangs,
    "store gone": _store_gone,
    "store read-only": _store_read_only,
    "disk full": _disk_full,
    "key service hangs": _key_service_hangs,
    "everything at once": _everything_at_once,
}

FAULTS = tuple(_FAULTS)
"""Names of all faults, in their order."""
