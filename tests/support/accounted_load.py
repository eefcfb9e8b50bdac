"""Logs from eight threads and two hundred tasks while a test breaks things, and accounts for every call."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from telemetry.audit.pipeline import AuditPipeline
from telemetry.audit.receipt import Receipt
from telemetry.audit.reports import AuditStats
from telemetry.audit.service import AuditService
from telemetry.audit.spool.segment import SUFFIX, SpoolSegment
from telemetry.encryption import EncryptionProviderFactory
from telemetry.encryption.storage_keys import storage_keys_of
from telemetry.exceptions import TelemetryError, UndeliveredError
from telemetry.reader.sources.kafka import KafkaSource
from telemetry.sync import Telemetry
from telemetry.types import AuditConfig, TelemetryConfig
from tests.support.events_at_rest import fallback_objects, ids
from tests.support.raw_records import raw_records
from tests.support.until import PATIENCE, until

THREADS, TASKS = 8, 200
RATE = 2_000.0
_SHUTDOWN_SLACK = 60.0
"""Seconds that a busy machine may add to the time that a shutdown was given; a shutdown that hangs adds more."""
_MOST_SECONDS_BEHIND, _FEW_SECONDS_BEHIND = 8.0, 0.2
"""A machine that is too slow for the rate pauses until few events are missing on the topic, and then goes on."""
_LOOK_SECONDS = 0.05
_REST_SECONDS = 2.0


class AccountedLoad:
    """A service under load, in this process.

    Half of the events come from threads, half from tasks of one event loop. Half of the tasks also wait until each of
    their events is durable, where ``waits`` says so.

    Args:
        config: Its audit pipeline.
        waits: Whether half of the tasks wait for durability.
        rate: Events a second, of all together.

    Attributes:
        receipts: Of every event that was accepted.
        raised: The names of the errors of the calls that raised.
        lost: What the shutdown raised.
    """

    def __init__(self, config: AuditConfig, *, waits: bool = False, rate: float = RATE) -> None:
        self.config = config
        self.telemetry = Telemetry(config)
        self.receipts: list[Receipt] = []
        self.raised: list[str] = []
        self.lost: UndeliveredError | None = None
        self._calls = itertools.count()
        self._audit = AuditService(self.telemetry._runtime)
        self._waits = waits
        self._rate = rate
        self._stop = threading.Event()
        self._looked = 0.0
        self._behind = False
        self._broken: list[BaseException] = []
        self._threads = [threading.Thread(target=self._guarded, args=(self._log, n)) for n in range(THREADS)]
        self._threads.append(threading.Thread(target=self._guarded, args=(self._run_tasks, 0)))

    def __enter__(self) -> Self:
        self.telemetry.start()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        with suppress(UndeliveredError):
            self.telemetry.shutdown(1.0)
        for thread in self._threads:
            thread.join(PATIENCE)

    @property
    def pipeline(self) -> AuditPipeline:
        """The pipeline, also after its end."""
        found = self.telemetry._runtime._pipeline
        assert isinstance(found, AuditPipeline)
        return found

    @property
    def stats(self) -> AuditStats:
        """The pipeline's counts, also after its end."""
        return self.pipeline.stats()

    def until_more(self, events: int) -> None:
        """Wait until this many more events were delivered to Kafka directly."""
        goal = self.stats.delivered + events
        until(
            lambda: not self.stats.diverted and self.stats.delivered >= goal,
            timeout=4 * PATIENCE,
            what=f"delivery of {events} more events",
            state=lambda: self.stats,
        )

    def last(self, seconds: float) -> None:
        """Go on logging for a while: here time is the fault, not a state that could be waited for."""
        time.sleep(seconds)

    def stop(self) -> None:
        """Stop logging; raise the error that ended a writer."""
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a call of log() hangs"
        if self._broken:
            raise self._broken[0]

    def shutdown(self, timeout: float) -> Books:
        """End the pipeline while all writers go on logging, and return the accounts."""
        began = time.monotonic()
        spooled = failed = 0
        try:
            report = self.telemetry.shutdown(timeout)
            spooled, failed = report.spooled, report.failed
        except UndeliveredError as exc:
            self.lost = exc
        took = time.monotonic() - began
        assert took < timeout + _SHUTDOWN_SLACK, f"the shutdown took {took:.1f} s of {timeout:g} s"
        self.stop()
        stats = self.stats
        return Books(
            calls=next(self._calls),
            raised=len(self.raised),
            delivered=stats.delivered,
            stored=stats.stored,
            spooled=spooled if self.lost is None else stats.queued,
            failed=stats.failed if self.lost is not None else failed,
            receipts=self.receipts,
        )

    def _guarded(self, work: Callable[[int], None], number: int) -> None:
        try:
            work(number)
        except BaseException as exc:  # noqa: BLE001 - raised again by stop()
            self._broken.append(exc)

    def _log(self, number: int) -> None:
        for turn in self._turns(THREADS):
            next(self._calls)
            try:
                self.receipts.append(self.telemetry.audit.log("step", {"turn": turn}, f"thread-{number}"))
            except TelemetryError as exc:
                self.raised.append(type(exc).__name__)

    def _turns(self, writers: int) -> Iterator[int]:
        interval = 2 * writers / self._rate
        due = time.monotonic()
        for turn in itertools.count():
            # A writer that was late does not catch up: that would be a burst.
            due = max(due + interval, time.monotonic() - interval)
            if self._stop.wait(max(due - time.monotonic(), 0.0)):
                return
            while self._is_behind():
                if self._stop.wait(_LOOK_SECONDS):
                    return
            yield turn

    def _is_behind(self) -> bool:
        """Return whether too many events are not on the topic; looks at the counts now and then only."""
        now = time.monotonic()
        if now - self._looked > _LOOK_SECONDS:
            self._looked = now
            stats = self.stats
            missing = (stats.queued + stats.stored - stats.replayed) / self._rate
            self._behind = missing > (_FEW_SECONDS_BEHIND if self._behind else _MOST_SECONDS_BEHIND)
        return self._behind

    def _run_tasks(self, _number: int) -> None:
        asyncio.run(self._all_tasks())

    async def _all_tasks(self) -> None:
        await asyncio.gather(*(self._log_in_task(number) for number in range(TASKS)))

    async def _log_in_task(self, number: int) -> None:
        interval = 2 * TASKS / self._rate
        await asyncio.sleep(interval * number / TASKS)
        due = time.monotonic()
        turn = 0
        while not self._stop.is_set():
            next(self._calls)
            try:
                receipt = await self._audit.log("step", {"turn": turn}, f"task-{number}")
            except TelemetryError as exc:
                self.raised.append(type(exc).__name__)
            else:
                self.receipts.append(receipt)
                if self._waits and number % 2:
                    with suppress(TelemetryError):
                        await receipt.durable()
            turn += 1
            due = max(due + interval, time.monotonic() - interval)
            rest = _REST_SECONDS if self._is_behind() else 0.0
            await asyncio.sleep(max(due - time.monotonic(), rest))


@dataclass(frozen=True, slots=True)
class Books:
    """The outcome of every call, by the pipeline's own counts.

    Attributes:
        calls: Calls of ``log()``.
        raised: Those of them that raised.
        delivered: Events that Kafka acknowledged.
        stored: Events that the store acknowledged.
        spooled: Events that stay in the spool.
        failed: Events that failed through their receipts.
        receipts: Of every accepted event.
    """

    calls: int
    raised: int
    delivered: int
    stored: int
    spooled: int
    failed: int
    receipts: list[Receipt] = field(repr=False)

    def require_balance(self) -> None:
        """Fail unless every call is counted once, and the receipts agree with the counts."""
        assert self.calls == self.raised + len(self.receipts), self
        assert len(self.receipts) == self.delivered + self.stored + self.spooled + self.failed, self
        outcomes = Counter(_outcome(receipt) for receipt in self.receipts)
        assert outcomes == Counter(
            {"delivered": self.delivered, "stored": self.stored, "not settled": self.spooled + self.failed}
        ), (self, outcomes)
        assert len({receipt.event_id for receipt in self.receipts}) == len(self.receipts)


def _outcome(receipt: Receipt) -> str:
    """Return the outcome that a receipt reports; one that still waits raises ``TimeoutError``."""
    try:
        delivery = receipt.wait_delivered(0)
    except TelemetryError:
        return "not settled"
    return "delivered" if delivery.topic is not None else "stored"


@dataclass(frozen=True, slots=True)
class Trail:
    """The place of each event, found by reading everything.

    Attributes:
        topic: Event id by partition and offset.
        objects: Event ids by fallback object.
        spool: Event ids in segments.
        order: Sequence numbers by producer and Kafka key in the order of the topic, without duplicates.
    """

    topic: dict[tuple[int, int], str]
    objects: dict[str, set[str]]
    spool: set[str]
    order: dict[tuple[str, bytes], list[int]]

    @property
    def everywhere(self) -> set[str]:
        """The ids of all events that are somewhere."""
        return {*self.topic.values(), *self.spool, *itertools.chain(*self.objects.values())}

    def require_all(self, books: Books) -> None:
        """Fail unless every accepted event that did not fail is where its receipt says, and no other event is there."""
        on_topic = set(self.topic.values())
        nowhere, unsettled = [], []
        for receipt in books.receipts:
            delivery = receipt.delivery
            if delivery is None:
                unsettled.append(receipt.event_id)
            elif delivery.topic is not None:
                if self.topic.get((delivery.partition or 0, delivery.offset or 0)) != receipt.event_id:
                    nowhere.append(receipt)
            elif (
                receipt.event_id not in self.objects.get(delivery.fallback_object or "", ())
                and receipt.event_id not in on_topic
            ):
                nowhere.append(receipt)
        assert nowhere == []
        assert len(set(unsettled) - self.everywhere) <= books.failed
        assert self.everywhere <= {receipt.event_id for receipt in books.receipts}, "an event that no receipt names"
        disordered = [key for key, found in self.order.items() if found != sorted(found)]
        assert disordered == []


def read_trail(config: AuditConfig) -> Trail:
    """Read topic, fallback store and spool of a process that ended."""
    topic: dict[tuple[int, int], str] = {}
    seen: set[str] = set()
    order: dict[tuple[str, bytes], list[int]] = {}
    with KafkaSource(config) as source:
        for record in raw_records(source):
            value = json.loads(record.value or b"{}")
            if "sequence" not in value:
                continue  # a checkpoint
            assert record.place.partition is not None
            assert record.place.offset is not None
            topic[record.place.partition, record.place.offset] = value["id"]
            if value["id"] not in seen:
                seen.add(value["id"])
                order.setdefault((value["producer"], record.key or b""), []).append(int(value["sequence"]))
    objects = {
        name: ids([value for value in values if "sequence" in value]) for name, values in fallback_objects(config)
    }
    return Trail(topic, objects, _in_spool(config), order)


def _in_spool(config: AuditConfig) -> set[str]:
    found: set[str] = set()
    with ExitStack() as stack:
        encryption = config.encryption_config if config.encryption_enabled else None
        provider = None if encryption is None else stack.enter_context(EncryptionProviderFactory.create(encryption))
        keys = storage_keys_of(TelemetryConfig(audit_config=config), provider=provider)
        for path in config.spool_path.glob(f"*{SUFFIX}") if config.spool_path is not None else ():
            segment = SpoolSegment.adopt(path, keys)
            assert segment is not None
            found |= {event_id for _, event_id, _, _ in segment.rows()}
            segment.close()
    return found
