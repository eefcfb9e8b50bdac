"""Fill the explorer's index with made-up events: processor time of each search with its counts, memory, events a second.

Each event has the fields of a web application: users, orders, addresses, sessions, requests, a payload of some hundred
bytes. Searches are measured as a page needs them: fifty rows, their events, and the counts beside them, nothing remembered.
``python -m bench.exploring``; with ``--check`` it fails if a search or the memory is over its bound.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

import msgspec

from telemetry.explorer.index.event_index import EventIndex
from telemetry.explorer.index.search import Search
from telemetry.format.value.event import AuditEvent, Outcome
from telemetry.format.value.members import Change
from telemetry.reader.entry import OpenedEvent, Place, Proven, RawRecord
from telemetry.reader.filters import EventFilter
from telemetry.system.clock import rfc3339

START = datetime(2026, 1, 2, tzinfo=UTC)
MOST_SECONDS = 0.1
MOST_MIB = 500
_BATCH = 1_000
_USERS, _ORDERS = 20_000, 60_000
_SERVICES = ("payments", "orders", "accounts", "support", "ledger")
_TYPES = (
    "order_read",
    "order_changed",
    "user_login",
    "user_logout",
    "refund_issued",
    "report_exported",
    "role_granted",
)
_OUTCOMES: tuple[Outcome, ...] = ("success", "success", "success", "failure", "denied")
_NOTES = ("checked the address with the customer", "second attempt after a timeout", "approved by the team lead", "")

_encode = msgspec.json.Encoder().encode


def entries(count: int) -> Iterator[OpenedEvent]:
    """Yield events in the order of their time, the same in each run."""
    luck = random.Random(7)  # noqa: S311 - made-up events
    sequences = dict.fromkeys(range(40), 0)
    for number in range(count):
        producer = luck.randrange(40)
        sequence = sequences[producer]
        sequences[producer] += 1
        yield _entry(luck, number=number, producer=producer, sequence=sequence)


def _entry(luck: random.Random, *, number: int, producer: int, sequence: int) -> OpenedEvent:
    service = _SERVICES[producer % len(_SERVICES)]
    user, order = int(luck.paretovariate(0.7)) % _USERS, luck.randrange(_ORDERS)
    kind = luck.choice(_TYPES)
    changes = {"status": Change(old="open", new="paid")} if kind == "order_changed" else {}
    event = AuditEvent(
        id=f"0198c0de-{luck.getrandbits(16):04x}-7{luck.getrandbits(12):03x}-8000-{number:012x}",
        time=rfc3339(
            START + timedelta(seconds=13 * number, microseconds=luck.randrange(10**6)), timespec="microseconds"
        ),
        event_type=kind,
        user_id=f"user-{user:05d}",
        payload={
            "order": {"id": order, "total": luck.randrange(10**5) / 100, "currency": "EUR"},
            "note": luck.choice(_NOTES),
            "items": [f"sku-{luck.randrange(9_000)}" for _ in range(luck.randrange(4))],
        },
        service_name=service,
        environment="production",
        version="4.2.0",
        producer=f"0198c0de-0000-7000-8000-{producer:012x}",
        sequence=sequence,
        schema_version=2 if changes else 1,
        features=("changes",) if changes else (),
        session_id=f"{luck.getrandbits(24):032x}",
        entity="order",
        entity_id=str(order),
        action=kind.partition("_")[2],
        outcome=luck.choice(_OUTCOMES),
        ip_address=f"10.{luck.randrange(256)}.{luck.randrange(256)}.{luck.randrange(256)}",
        correlation_id=f"{luck.getrandbits(128):032x}",
        changes=changes,
    )
    place = Place("audit", number % 6, number // 6)
    raw = RawRecord(None, _encode(event), place)
    return OpenedEvent(event, place, sealed=True, raw=raw, proven=Proven.YES)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one search cost.

    Attributes:
        name: The search, as the table names it.
        found: How many events it found.
        seconds: Processor time, the least of some runs.
    """

    name: str
    found: int
    seconds: float


def searches() -> dict[str, Search]:
    """Return what an auditor searches for, by the name in the table."""
    wanted = {
        "everything": EventFilter(),
        "one user": EventFilter(users=frozenset({"user-00007"})),
        "one order": EventFilter(entities=frozenset({"order/4711"})),
        "one correlation id": EventFilter(correlations=frozenset({"0" * 32})),
        "a type, denied": EventFilter(types=("refund_issued",), outcomes=frozenset({"denied"})),
        "types by a pattern": EventFilter(types=("*_changed", "role_*")),
        "a network": EventFilter(addresses=frozenset({"10.7.0.0/16"})),
        "three days": EventFilter(since="2026-01-10T00:00:00.000000Z", until="2026-01-13T00:00:00.000000Z"),
        "a rare text": EventFilter(text="sku-4711"),
        "a frequent text": EventFilter(text="second attempt"),
        "a text in each event": EventFilter(text="e"),
        "a text in none": EventFilter(text="not written anywhere"),
        "a value inside": EventFilter(where=("payload.order.id=4711",)),
        "all but two types": EventFilter(excluded=(EventFilter(types=("order_read", "user_login")),)),
    }
    return {name: Search(wanted=each) for name, each in wanted.items()}


def fill(index: EventIndex, count: int) -> float:
    """Fill an index; return the seconds of the processor that the index itself took."""
    made = entries(count)
    spent = 0.0
    while batch := list(islice(made, _BATCH)):
        before = time.process_time()
        index.add(batch)
        spent += time.process_time() - before
    return spent


def measure(index: EventIndex, name: str, search: Search, *, rounds: int = 3) -> Measured:
    """Return what a page of a search costs."""

    def page() -> int:
        found = index.search(search, with_content=True, limit=50)
        list(index.events(found.rows, with_content=True))
        index.counts(search, with_content=True)
        return found.total

    return Measured(name, *_least(index, page, rounds))


def _least(index: EventIndex, call: Callable[[], int], rounds: int) -> tuple[int, float]:
    least, found = 1e9, 0
    for _ in range(rounds):
        index.add(())  # what was remembered of the search is forgotten
        before = time.process_time()
        found = call()
        least = min(least, time.process_time() - before)
    return found, least


def main() -> int:
    """Measure, print the table, and return 1 if a bound is missed and was to be checked."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--events", type=int, default=200_000)
    options.add_argument("--check", action="store_true", help="fail if a search or the memory is over its bound")
    given = options.parse_args()
    index = EventIndex(most=max(given.events, 1))
    bare = _peak_mib()
    spent = fill(index, given.events)
    filled = _peak_mib()
    results = [measure(index, name, search) for name, search in searches().items()]
    results.append(Measured("the overview", *_least(index, lambda: index.overview(with_content=True).events, 3)))
    sys.stdout.write(f"{given.events:,} events: {given.events / spent:,.0f} events/s into the index, ")
    sys.stdout.write(
        f"{filled:.0f} MiB at the peak ({bare:.0f} MiB before), {_peak_mib():.0f} MiB after the searches\n\n"
    )
    sys.stdout.write("| search, with its counts | events found | processor time |\n| --- | --: | --: |\n")
    for each in results:
        sys.stdout.write(f"| {each.name} | {each.found:,} | {each.seconds * 1e3:.1f} ms |\n")
    is_over = _peak_mib() > MOST_MIB or any(each.seconds > MOST_SECONDS for each in results)
    return int(given.check and is_over)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
