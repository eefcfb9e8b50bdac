"""A turn lasts while the process holds the lock and was not asked to stop."""

from __future__ import annotations

import pytest

from telemetry.audit.replay.turn import NeverStopping, take_turn
from telemetry.exceptions import StorageUnreachableError
from tests.support.memory_store import MemoryStore
from tests.support.replay_parts import TOPIC, SwitchedLock


def test_turn_ends_with_the_lock() -> None:
    lock = SwitchedLock()
    turn = lock.turn()
    assert (turn.has_lock, turn.may_go_on) == (True, True)

    lock.is_held = False

    assert (turn.has_lock, turn.may_go_on) == (False, False)


def test_stopping_keeps_the_lock_but_ends_the_turn() -> None:
    lock = SwitchedLock()
    turn = lock.turn()

    lock.is_stopping = True

    assert (turn.has_lock, turn.may_go_on) == (True, False)


def test_one_process_has_the_turn() -> None:
    store = MemoryStore()
    with (
        take_turn(store, topic=TOPIC, owner="first", stop=NeverStopping()) as first,
        take_turn(store, topic=TOPIC, owner="second", stop=NeverStopping()) as second,
        take_turn(store, topic="other", owner="second", stop=NeverStopping()) as other_topic,
    ):
        assert first is not None
        assert second is None
        assert other_topic is not None
    assert not first.may_go_on, "the turn ends with its context"


def test_turn_can_be_taken_after_an_error() -> None:
    store = MemoryStore()
    with pytest.raises(KeyError), take_turn(store, topic=TOPIC, owner="first", stop=NeverStopping()):
        raise KeyError
    with take_turn(store, topic=TOPIC, owner="second", stop=NeverStopping()) as turn:
        assert turn is not None


def test_failing_store_gives_no_turn() -> None:
    store = MemoryStore()

    def fail(_operation: str, name: str) -> None:
        raise StorageUnreachableError(name)

    store.before = fail
    with (
        pytest.raises(StorageUnreachableError),
        take_turn(store, topic=TOPIC, owner="first", stop=NeverStopping()),
    ):
        pytest.fail("a turn was taken without a lock")
