"""Lists the objects that wait for replay, in the order in which they are sent."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from telemetry.format.objects.stored_name import PLAIN, WAITING, ObjectName, Shelf
from telemetry.storage import StorageProvider, StoredObject

_SORTED = 10_000


class WaitingObject(NamedTuple):
    """An object in the store.

    Attributes:
        parts: Parts of its name.
        stored: Its name and size.
        shelf: The part of the store that holds it.
    """

    parts: ObjectName
    stored: StoredObject
    shelf: Shelf = PLAIN

    @property
    def name(self) -> str:
        """Its whole name."""
        return self.stored.name

    @property
    def size(self) -> int:
        """Bytes."""
        return self.stored.size

    @property
    def producer(self) -> str:
        """Producer of its records."""
        return self.parts.producer

    @property
    def events(self) -> int:
        """How many events it contains, by its name."""
        first, last = self.parts.first, self.parts.last
        return 0 if first is None or last is None else last - first + 1


def listed(
    store: StorageProvider,
    topic: str,
    *,
    shelf: Shelf = PLAIN,
    on_foreign: Callable[[str], object] = lambda _name: None,
) -> Iterator[WaitingObject]:
    """Yield the objects of a topic as the store lists them.

    Args:
        store: Store of the objects.
        topic: Topic of the objects.
        shelf: The part of the store that is listed.
        on_foreign: Called with each name that does not have the form of an object's name.
    """
    begin = shelf.below(WAITING, "")
    for stored in store.list(f"{begin}{topic}/"):
        parts = shelf.parse(stored.name.removeprefix(begin))
        if parts is not None:
            yield WaitingObject(parts, stored, shelf)
        else:
            on_foreign(stored.name)


def in_order(waiting: Iterable[WaitingObject]) -> Iterator[WaitingObject]:
    """Yield the oldest first, but each producer's objects in the order of its sequence.

    Names begin with the time of creation, so that a store lists them almost in this order already; only so many are in
    memory at a time, however many there are.
    """
    remaining = iter(waiting)
    while part := list(islice(remaining, _SORTED)):
        yield from _sorted(part)


def _sorted(part: list[WaitingObject]) -> Iterator[WaitingObject]:
    # A producer's objects may be created out of order: what was adopted from a spool is stored later than what the
    # dead process stored itself. So each producer has a queue of its own, and the queues are merged by time.
    by_producer: dict[str, list[WaitingObject]] = {}
    for waiting in part:
        by_producer.setdefault(waiting.producer, []).append(waiting)
    queues = [deque(sorted(objects, key=_place)) for objects in by_producer.values()]
    heads = [(queue[0].parts.created, number) for number, queue in enumerate(queues)]
    heapq.heapify(heads)
    while heads:
        _, number = heapq.heappop(heads)
        yield queues[number].popleft()
        if queues[number]:
            heapq.heappush(heads, (queues[number][0].parts.created, number))


def _place(waiting: WaitingObject) -> tuple[int, str]:
    # Checkpoints alone have no sequence, and may go first.
    first = waiting.parts.first
    return -1 if first is None else first, waiting.parts.created
