"""Defines the receipt that ``log()`` returns: the event's identity, and a way to wait until it is safe.

An application sees the class and cannot change a receipt; the functions below the class are the pipeline's half.
"""

# ruff: noqa: SLF001 - both halves are in this file

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Generator, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, dataclass_transform

import msgspec

from telemetry.exceptions import TelemetryError
from telemetry.system.loops.running import in_trio_task, run_in_thread

WAITING, ACCEPTED, DURABLE, DELIVERED = -1, 0, 1, 2
LEVELS = {"accepted": ACCEPTED, "durable": DURABLE, "delivered": DELIVERED}
"""The levels that a call may ask for, by name."""

if TYPE_CHECKING:

    @dataclass_transform()
    class _Awaitable(Coroutine[Any, Any, "Receipt"]):
        """What type checkers see: a struct cannot inherit from an abstract class, but it has all of its methods."""

        def __init_subclass__(cls, *, eq: bool, gc: bool) -> None: ...

else:
    _Awaitable = msgspec.Struct


class Delivery(NamedTuple):
    """The place where an event was delivered or stored.

    Attributes:
        topic: Kafka topic, or None while it is in the fallback store.
        partition: Partition of the topic.
        offset: Offset in the partition.
        fallback_object: Name of the object in the fallback store, or None.
    """

    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    fallback_object: str | None = None


class Receipt(_Awaitable, eq=False, gc=False):
    """The identity of a logged event, and a way to wait until it is accepted, durable or delivered.

    ``await receipt`` waits for the level that ``log()`` was asked for and returns the receipt; it may be awaited any number of
    times, and ``asyncio.create_task()``, ``gather()``, ``TaskGroup``, ``wait_for()`` and ``asyncio.run()`` accept it as they
    accept a coroutine. A receipt belongs to no event loop: any loop and any thread may wait on it. Cancelling a wait, or
    never beginning one, changes nothing for the event.

    The pipeline writes level, place and error without a lock, each in one thread at a time: the intake accepts the event, the
    spool marks it as spooled, the ledger settles it. Only the list of waiters is locked, by one lock for all receipts; most
    receipts never have a waiter.

    Attributes:
        event_id: UUIDv7 of the event.
        producer: UUIDv7 of the process stream; None until the event is accepted.
        sequence: The event's number in that stream; None until the event is accepted.
    """

    event_id: str
    producer: str | None = None
    sequence: int | None = None
    _asked: int = ACCEPTED
    _level: int = ACCEPTED
    _is_spooled: bool = False
    _topic: str | None = None
    _partition: int | None = None
    _offset: int | None = None
    _object: str | None = None
    _error: TelemetryError | None = None
    _waiters: list[_Waiter] | None = None
    _may_fail: bool = False
    _limit: float | None = None

    def __repr__(self) -> str:
        return f"Receipt(event_id={self.event_id!r}, producer={self.producer!r}, sequence={self.sequence})"

    def __copy__(self) -> Receipt:
        # The pipeline knows one object: another one would never learn what became of the event.
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Receipt:
        del memo
        return self

    def __reduce__(self) -> NoReturn:
        message = "a receipt belongs to its process and cannot be pickled; pass on its event_id"
        raise TypeError(message)

    @property
    def delivery(self) -> Delivery | None:
        """Where the event is, once delivered or stored; None before."""
        return Delivery(self._topic, self._partition, self._offset, self._object) if self._level == DELIVERED else None

    @property
    def error(self) -> TelemetryError | None:
        """Why the event failed; None if it did not. The one way to know it of a type whose failures are only counted."""
        return self._error

    @property
    def is_accepted(self) -> bool:
        """Whether the event has its number and is on its way; before that it waits for room or for a data key."""
        return self._level >= ACCEPTED

    @property
    def is_durable(self) -> bool:
        """Whether it is in the spool, in Kafka or in the fallback store."""
        return self._level >= DURABLE or self._is_spooled

    @property
    def is_settled(self) -> bool:
        """Whether it is in Kafka or in the fallback store, or has failed."""
        return self._level >= DELIVERED or self._error is not None

    async def durable(self) -> None:
        """Wait until the event is on disk in the spool; without a spool, until it is delivered or stored.

        Raises:
            TelemetryError: The event failed; the error says why.
        """
        await wait_until(self, DURABLE)

    async def delivered(self) -> Delivery:
        """Wait until Kafka or the fallback store has acknowledged the event.

        Returns:
            Topic, partition and offset, or the name of the fallback object.

        Raises:
            TelemetryError: The event failed; the error says why.
        """
        await wait_until(self, DELIVERED)
        return self.delivery or Delivery()

    def __await__(self) -> Generator[Any, None, Receipt]:
        # Most receipts have reached their level when they are awaited: no coroutine is created for them.
        if self._level < self._asked:
            is_plain = self._limit is None and not self._may_fail
            yield from (wait_until(self, self._asked) if is_plain else wait_by_policy(self)).__await__()
        return self

    # The methods of a coroutine, for a task that runs the receipt itself. They keep no state: several tasks may.

    def send(self, value: None) -> Any:
        """Return the future that a task must wait for; raise ``StopIteration`` with the receipt when there is none."""
        del value
        if self.has_reached(self._asked):
            if not self._may_fail:
                self._raise_unless(self._asked)
            raise StopIteration(self)
        return self._future(self._asked).__await__().send(None)

    def throw(self, kind: Any, value: Any = None, trace: Any = None) -> NoReturn:
        """End a task that runs the receipt: it was cancelled. The event stays logged."""
        self._discard_cancelled()
        error = kind if value is None else value
        raise (error() if isinstance(error, type) else error).with_traceback(trace)

    def close(self) -> None:
        """Do nothing: the event stays logged, and other tasks may wait."""

    def wait(self, timeout: float | None = None) -> Receipt:
        """Block until the level that ``log()`` was asked for, and return the receipt; errors as :meth:`wait_durable`."""
        try:
            self._block(self._asked, timeout)
        except TelemetryError:
            if not self._may_fail:
                raise
        return self

    def wait_accepted(self, timeout: float | None = None) -> None:
        """Block until the event has its number and is on its way; arguments and errors as :meth:`wait_durable`."""
        self._block(ACCEPTED, timeout)

    def wait_durable(self, timeout: float | None = None) -> None:
        """Block until the event is durable, as :meth:`durable` does.

        Args:
            timeout: Seconds to wait at most; None to wait without a limit.

        Raises:
            TimeoutError: The time is over; the event is still on its way.
            TelemetryError: The event failed; the error says why.
        """
        self._block(DURABLE, timeout)

    def wait_delivered(self, timeout: float | None = None) -> Delivery:
        """Block until the event is delivered, as :meth:`delivered` does; arguments and errors as :meth:`wait_durable`."""
        self._block(DELIVERED, timeout)
        return self.delivery or Delivery()

    def _block(self, level: int, timeout: float | None) -> None:
        if not self.has_reached(level):
            event = threading.Event()
            waiter = (level, None, event)
            self._add(waiter)
            if not event.wait(timeout):
                self._discard(waiter)
                raise TimeoutError(_unconfirmed(self, timeout))
        self._raise_unless(level)

    def _future(self, level: int) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._add((level, loop, future))
        return future

    def has_reached(self, level: int) -> bool:
        """Return whether a wait for this level would end at once: it is reached, or the event has failed."""
        return self.is_at_least(level) or self._error is not None

    def is_at_least(self, level: int) -> bool:
        """Return whether this level is reached, which an event that has failed since keeps."""
        return self._level >= level or (level <= DURABLE and self._is_spooled)

    def _raise_unless(self, level: int) -> None:
        if self._error is not None and not self.is_at_least(level):
            raise self._error

    def _add(self, waiter: _Waiter) -> None:
        with _lock:
            if self._waiters is None:
                self._waiters = [waiter]
            else:
                self._waiters.append(waiter)
        # The pipeline sets the level first and looks for waiters second. Checking the level again here closes the gap: the
        # level was set after our caller looked, and the pipeline looked for waiters before this one was added.
        if self.has_reached(waiter[0]):
            notify([self])

    def _discard(self, waiter: _Waiter) -> None:
        with _lock:
            self._waiters = [other for other in self._waiters or () if other is not waiter] or None

    def _discard_cancelled(self) -> None:
        with _lock:
            waiters = self._waiters or ()
            self._waiters = [waiter for waiter in waiters if waiter[1] is None or not waiter[2].done()] or None

    def _take_ready(self) -> list[_Waiter]:
        """Remove and return the waiters whose level is reached; the lock is held."""
        reached = DELIVERED if self._error is not None else max(self._level, DURABLE if self._is_spooled else WAITING)
        waiters = self._waiters or []
        ready = [waiter for waiter in waiters if waiter[0] <= reached]
        self._waiters = None if len(ready) == len(waiters) else [waiter for waiter in waiters if waiter not in ready]
        return ready


_Waiter = tuple[int, asyncio.AbstractEventLoop | None, Any]
"""The level to wait for; then a loop and its future, or None and a ``threading.Event``."""

_lock = threading.Lock()


async def wait_until(receipt: Receipt, level: int) -> None:
    """Wait for a level, as ``durable()`` and ``delivered()`` do."""
    if not receipt.has_reached(level):
        if in_trio_task():
            return await run_in_thread(receipt._block, level, None)
        try:
            await receipt._future(level)
        except asyncio.CancelledError:
            receipt._discard_cancelled()
            raise
    return receipt._raise_unless(level)


async def wait_by_policy(receipt: Receipt) -> None:
    """Wait for the level that the call asked for: within the limit of its type, and without an error if its type says so."""
    if in_trio_task():
        await run_in_thread(receipt.wait, receipt._limit)
        return
    try:
        async with asyncio.timeout(receipt._limit):
            await wait_until(receipt, receipt._asked)
    except TimeoutError:
        raise TimeoutError(_unconfirmed(receipt, receipt._limit)) from None
    except TelemetryError:
        if not receipt._may_fail:
            raise


def _unconfirmed(receipt: Receipt, seconds: float | None) -> str:
    return f"event {receipt.event_id} is not confirmed after {seconds} s; delivery continues in the background"


def allow_failure(receipt: Receipt) -> None:
    """Have a wait for the level that the call asked for end without an error, whatever becomes of the event."""
    receipt._may_fail = True


def limit_wait(receipt: Receipt, seconds: float) -> None:
    """Have an ``await`` of the receipt end with ``TimeoutError`` after so many seconds."""
    receipt._limit = seconds


def unreached(receipts: Iterable[Receipt], level: int) -> list[Receipt]:
    """Return the receipts for which a wait may be due: for the level that their calls asked for, or for this one."""
    return [receipt for receipt in receipts if receipt._level < level or receipt._level < receipt._asked]


def reached(receipt: Receipt) -> str:
    """Return what became of an event so far.

    Returns:
        ``waiting`` (for room or a key), ``accepted``, ``durable`` (in the spool), ``stored`` (in the fallback store),
        ``delivered`` (in Kafka), ``unsent`` where the configuration sends nothing, or ``failed``.
    """
    if receipt._level >= DELIVERED:
        if receipt._object is not None:
            return "stored"
        return "delivered" if receipt._topic is not None else "unsent"
    if receipt._is_spooled:
        return "durable"
    if receipt._error is not None:
        return "failed"
    return "accepted" if receipt._level >= ACCEPTED else "waiting"


def unheard(receipts: Iterable[Receipt], waited: Iterable[Receipt]) -> int:
    """Return of how many failed events nobody learns.

    Args:
        receipts: The receipts of all that failed.
        waited: Those for which a call waits.
    """
    return sum(1 for _ in receipts) - sum(not receipt._may_fail for receipt in waited)


# The pipeline's half of a receipt. Each function returns whether a call waits, so that :func:`notify` is due.


def mark_accepted(receipt: Receipt, producer: str, sequence: int) -> bool:
    """Record the event's place in the stream; the intake's lock is held, so nothing else can happen to it before."""
    receipt.producer, receipt.sequence, receipt._level = producer, sequence, ACCEPTED
    return receipt._waiters is not None


def mark_durable(receipt: Receipt) -> bool:
    """Record that the event is on disk in the spool."""
    # A field of its own: a commit that took too long ends beside the delivery of its records, and must not undo it.
    receipt._is_spooled = True
    return receipt._waiters is not None


def mark_delivered(receipt: Receipt, topic: str, partition: int, offset: int) -> bool:
    """Record where Kafka has the event."""
    receipt._topic, receipt._partition, receipt._offset = topic, partition, offset
    receipt._level = DELIVERED
    return receipt._waiters is not None


def mark_stored(receipt: Receipt, name: str) -> bool:
    """Record which object of the fallback store has the event."""
    receipt._object = name
    receipt._level = DELIVERED
    return receipt._waiters is not None


def mark_unsent(receipt: Receipt) -> bool:
    """Record that the event is settled and has no place: the configuration sends nothing."""
    receipt._level = DELIVERED
    return receipt._waiters is not None


def mark_failed(receipt: Receipt, error: TelemetryError) -> bool:
    """Record why the event failed."""
    receipt._error = error
    return receipt._waiters is not None


def notify(receipts: Iterable[Receipt]) -> None:
    """Wake all calls that wait on these receipts, with one call into each event loop."""
    with _lock:
        ready = [waiter for receipt in receipts for waiter in receipt._take_ready()]
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for _, loop, waiting in ready:
        if loop is None:
            waiting.set()
        else:
            by_loop.setdefault(loop, []).append(waiting)
    for loop, futures in by_loop.items():
        # No task of a loop that is closed by now can be woken.
        if not loop.is_closed():
            _wake_in(loop, futures)


def _wake_in(loop: asyncio.AbstractEventLoop, futures: list[asyncio.Future[None]]) -> None:
    try:
        loop.call_soon_threadsafe(_finish, futures)
    except RuntimeError:
        # Closed between the two calls; any other reason is an error.
        if not loop.is_closed():
            raise


def _finish(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


def reset_after_fork() -> None:
    """Replace the module's lock in a forked child, where another thread may have held it."""
    global _lock  # noqa: PLW0603 - there is one lock per process
    _lock = threading.Lock()
