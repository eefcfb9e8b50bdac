"""The parts of a replay on a store and a Kafka in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from telemetry.audit.fallback.handler import FallbackHandler
from telemetry.audit.fallback.object_form import PlainForm
from telemetry.audit.ledger import Ledger
from telemetry.audit.marks.own_objects import OwnObjects
from telemetry.audit.marks.unmarked import UnmarkedTerm
from telemetry.audit.metrics.instruments import AuditMetrics
from telemetry.audit.replay.outcomes import ObjectOutcomes
from telemetry.audit.replay.replay_pass import Replayer
from telemetry.audit.replay.turn import Turn
from telemetry.encryption.storage_keys import StorageKeys
from telemetry.encryption.storage_secret import StorageSecrets
from telemetry.storage import StorageProvider
from telemetry.storage.lease import Lock
from tests.support.fake_kafka import FakeKafka
from tests.support.memory_store import MemoryStore

TOPIC = "audit-events"


def own_shop(store: StorageProvider) -> OwnObjects:
    """Return what opens the objects of ``tests.support.leftovers``: a service without any key."""
    secrets = StorageSecrets()
    keys = StorageKeys(secrets, sources=["/production/shop"])
    term = UnmarkedTerm(store, topic=TOPIC, secrets=secrets)
    return OwnObjects("/production/shop", keys=keys, form=PlainForm(), is_sealing=False, term=term)


class SwitchedLock:
    """A store's lock that a test loses on purpose, and a replay that it stops."""

    def __init__(self) -> None:
        self.is_held = True
        self.is_stopping = False

    def rest(self, seconds: float) -> bool:
        """Return at once."""
        del seconds
        return self.is_stopping

    def turn(self) -> Turn:
        """Return a turn that lasts until the lock is lost or the replay is stopped."""
        return Turn(Lock(self), self)


def any_turn() -> Turn:
    """Return a turn that does not end."""
    return SwitchedLock().turn()


def ledger() -> Ledger:
    """Return a ledger that nobody else uses."""
    return Ledger(topic=TOPIC, metrics=AuditMetrics(topic=TOPIC))


class ReplayBench:
    """A replayer with everything around it.

    Attributes:
        store: The store.
        kafka: The Kafka.
        ledger: Counts replayed and rejected events.
        done: Name and events of each object that is done.
        replayer: The replayer.
    """

    def __init__(self, *, max_refusals: int | None = None) -> None:
        self.store = MemoryStore()
        self.kafka = FakeKafka()
        self.ledger = ledger()
        self.done: list[tuple[str, int]] = []
        self.replayer = Replayer(
            self.store,
            topic=TOPIC,
            kafka=self.kafka,
            outcomes=ObjectOutcomes(self.ledger, on_object=lambda name, events: self.done.append((name, events))),
            own=own_shop(self.store),
            max_rate=1e9,
            max_refusals=max_refusals,
        )

    def below(self, folder: str) -> list[str]:
        """Return the names of the objects below a folder, in order."""
        return [name for name in sorted(self.store.objects) if name.startswith(f"{folder}/")]


@contextmanager
def handler_on(
    store: MemoryStore,
    *,
    max_bytes: int = 1 << 20,
    seconds: float = 60.0,
    books: Ledger | None = None,
    replay_wanted: threading.Event | None = None,
) -> Iterator[FallbackHandler]:
    """Yield a handler that stores objects of the topic."""
    handler = FallbackHandler(
        store,
        provider="memory",
        topic=TOPIC,
        ledger=books or ledger(),
        max_object_bytes=max_bytes,
        max_object_seconds=seconds,
        replay_wanted=replay_wanted,
    )
    try:
        yield handler
    finally:
        handler.close()
