"""Each outcome reaches the ledger, the handler that stored the object, and the caller of a replay."""

from __future__ import annotations

from telemetry.audit.fallback.backlog import listed
from telemetry.audit.replay.outcomes import ObjectOutcomes
from telemetry.exceptions import RecordTooLargeError
from tests.support.leftovers import records, stored
from tests.support.memory_store import MemoryStore
from tests.support.replay_parts import TOPIC, handler_on, ledger
from tests.support.until import PATIENCE


def test_replayed_object_leaves_the_backlog() -> None:
    store, books = MemoryStore(), ledger()
    done: list[tuple[str, int]] = []
    with handler_on(store) as handler:
        handler.add(records(3), reason="outage")
        assert handler.flush(PATIENCE)
        (waiting,) = listed(store, TOPIC)
        outcomes = ObjectOutcomes(books, handler=handler, on_object=lambda name, events: done.append((name, events)))

        outcomes.replayed(waiting, events=2)

        assert handler.is_drained
    assert books.counts.replayed == 2
    assert done == [(waiting.name, 2)]


def test_object_that_is_gone_counts_as_nothing() -> None:
    store, books = MemoryStore(), ledger()
    done: list[str] = []
    with handler_on(store) as handler:
        name = stored(store, records(3))
        handler.queue_after(listed(store, TOPIC))

        ObjectOutcomes(books, handler=handler, on_object=lambda gone, _events: done.append(gone)).gone(name)

        assert handler.is_drained
    assert (books.counts.replayed, done) == (0, [])


def test_refusals_are_counted() -> None:
    books = ledger()
    outcomes = ObjectOutcomes(books)

    outcomes.refused(RecordTooLargeError("large"))
    outcomes.rejected(3, reason="too_large")
    outcomes.gone("unknown to a process that does not log")

    assert (books.counts.send_errors, books.counts.rejected, books.counts.replayed) == (1, 3, 0)
