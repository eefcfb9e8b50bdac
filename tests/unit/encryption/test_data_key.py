"""Data keys keep their bounds, are fetched ahead by one call at a time, and survive an outage within the grace."""

from __future__ import annotations

import copy
import pickle
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from telemetry.encryption import DataKey
from telemetry.encryption.data_key import ActiveKey, DataKeyring
from telemetry.exceptions import (
    ConfigurationError,
    EncryptionError,
    KeyAccessDeniedError,
    KeyServiceError,
    KeyThrottledError,
    KeyUnreachableError,
)
from tests.services.stub_keys import StubKeys
from tests.support.until import until

HOUR = 3_600.0
PATIENCE = 20


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Rotations:
    def __init__(self) -> None:
        self.kids: list[str] = []

    def key_rotated(self, key: ActiveKey) -> None:
        self.kids.append(key.kid)


@pytest.fixture
def keys() -> Iterator[StubKeys]:
    stub = StubKeys()
    yield stub
    stub.gate.set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ring_of(keys: StubKeys, clock: Clock) -> Iterator[Callable[..., DataKeyring]]:
    made: list[DataKeyring] = []

    def make(**bounds: object) -> DataKeyring:
        values: dict[str, object] = {"max_age": HOUR, "max_uses": 1_000_000, "max_bytes": 1 << 30, "grace": 900.0}
        ring = DataKeyring(keys, context={}, clock=clock, **{**values, **bounds})  # type: ignore[arg-type]
        made.append(ring)
        return ring

    yield make
    for ring in made:
        ring.close()


def started(ring: DataKeyring) -> DataKeyring:
    ring.request().result(PATIENCE)
    return ring


def taken(ring: DataKeyring, size: int = 1) -> ActiveKey:
    key = ring.take(size)
    assert key is not None
    return key


def test_million_events_need_two_calls(ring_of: Callable[..., DataKeyring], keys: StubKeys) -> None:
    ring = started(ring_of())
    assert all(ring.take(500) is not None for _ in range(1_000_000))
    assert keys.calls <= 2


def test_no_key_before_the_first_is_there(ring_of: Callable[..., DataKeyring], keys: StubKeys) -> None:
    ring = ring_of()
    assert ring.take(1) is None
    assert keys.calls == 0
    started(ring)
    assert taken(ring).kid


def test_100_threads_never_pass_the_uses(ring_of: Callable[..., DataKeyring]) -> None:
    cap, threads, each = 500, 100, 97
    ring, lock, used = started(ring_of(max_uses=cap)), threading.Lock(), Counter[str]()

    def log() -> None:
        for _ in range(each):
            while True:
                with lock:
                    key = ring.take(1)
                    if key is not None:
                        used[key.kid] += 1
                        break
                ring.request().result(PATIENCE)

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(log) for _ in range(threads)]:
            done.result()
    assert sum(used.values()) == threads * each
    assert sorted(used.values(), reverse=True)[:-1] == [cap] * (threads * each // cap)


def test_cap_of_bytes_is_never_passed(ring_of: Callable[..., DataKeyring]) -> None:
    ring, used = started(ring_of(max_bytes=10_000)), Counter[str]()
    for size in [700, 1, 3_000, 9_999, 10_000, 42] * 20:
        key = ring.take(size)
        while key is None:
            ring.request().result(PATIENCE)
            key = ring.take(size)
        used[key.kid] += size
    assert max(used.values()) <= 10_000


def test_event_that_no_key_may_seal(ring_of: Callable[..., DataKeyring]) -> None:
    ring = started(ring_of(max_bytes=10_000))
    with pytest.raises(EncryptionError, match="data_key_max_bytes"):
        ring.take(10_001)
    assert taken(ring, 10_000)


@pytest.mark.parametrize("bound", ["uses", "bytes", "age"])
def test_next_key_is_fetched_at_80_percent(
    ring_of: Callable[..., DataKeyring], keys: StubKeys, clock: Clock, bound: str
) -> None:
    ring = started(ring_of(max_uses=100, max_bytes=100_000))
    first = taken(ring)
    if bound == "age":
        clock.now += 0.79 * HOUR
        assert taken(ring) is first
        assert keys.calls == 1
        clock.now += 0.02 * HOUR
    else:
        for _ in range(78):
            assert taken(ring, 1_000 if bound == "bytes" else 1) is first
        assert keys.calls == 1
        taken(ring, 2_000 if bound == "bytes" else 1)
    taken(ring)
    until(lambda: ring._next is not None)
    assert taken(ring) is first, "it is used up before the next one comes into use"


def test_prefetched_key_is_used_in_time(ring_of: Callable[..., DataKeyring], clock: Clock) -> None:
    rotated = Rotations()
    ring = started(ring_of(listener=rotated))
    first = taken(ring)
    clock.now += 0.9 * HOUR
    taken(ring)
    until(lambda: ring._next is not None)
    clock.now += 0.1 * HOUR
    second = taken(ring)
    assert second is not first
    assert rotated.kids == [first.kid, second.kid]
    assert ring.age == pytest.approx(0.1 * HOUR), "its age counts from its making, not from its first use"


def test_key_prefetched_long_ago_is_not_used(ring_of: Callable[..., DataKeyring], clock: Clock, keys: StubKeys) -> None:
    ring = started(ring_of())
    taken(ring)
    clock.now += 0.9 * HOUR
    taken(ring)
    until(lambda: ring._next is not None)
    clock.now += 10 * HOUR
    assert ring.take(1) is None
    started(ring)
    taken(ring)
    assert keys.calls == 3
    assert ring.age == 0


def test_key_prefetched_long_ago_is_not_promised(ring_of: Callable[..., DataKeyring], clock: Clock) -> None:
    ring = started(ring_of())
    taken(ring)
    clock.now += 0.9 * HOUR
    taken(ring)
    until(lambda: ring._next is not None)
    clock.now += 10 * HOUR
    started(ring)
    assert taken(ring)


def test_outage_is_survived_within_the_grace(ring_of: Callable[..., DataKeyring], keys: StubKeys, clock: Clock) -> None:
    ring = started(ring_of())
    first = taken(ring)
    keys.failure = KeyUnreachableError("down")
    clock.now += HOUR + 899
    assert taken(ring) is first
    until(lambda: ring._pace.failures_in_a_row == 1)
    clock.now += 0.9
    assert taken(ring) is first
    clock.now += 0.2
    assert ring.take(1) is None
    with pytest.raises(KeyUnreachableError, match="down"):
        ring.request().result(PATIENCE)
    assert isinstance(ring.last_error, KeyUnreachableError)
    keys.failure = None
    started(ring)
    assert taken(ring) is not first
    assert ring.last_error is None


@pytest.mark.parametrize("bounds", [{"max_uses": 10}, {"max_bytes": 10}])
def test_no_grace_for_uses_and_bytes(
    ring_of: Callable[..., DataKeyring], keys: StubKeys, bounds: dict[str, int]
) -> None:
    ring = started(ring_of(**bounds))
    keys.failure = KeyUnreachableError("down")
    for _ in range(10):
        taken(ring)
    assert ring.take(1) is None


def test_revoked_kek_stops_writer_within_grace(
    ring_of: Callable[..., DataKeyring], keys: StubKeys, clock: Clock
) -> None:
    ring = started(ring_of(max_age=60.0, grace=5.0))
    keys.failure = KeyAccessDeniedError("revoked")
    sealed = 0
    while ring.take(1) is not None:
        sealed += 1
        clock.now += 1
    assert sealed == 65
    with pytest.raises(KeyAccessDeniedError):
        ring.request().result(PATIENCE)


def test_100_waiters_make_one_call(ring_of: Callable[..., DataKeyring], keys: StubKeys) -> None:
    ring = ring_of()
    keys.gate.clear()
    with ThreadPoolExecutor(100) as pool:
        futures = list(pool.map(lambda _: ring.request(), range(100)))
    keys.wait_for_calls(1)
    assert not any(future.done() for future in futures)
    keys.gate.set()
    for future in futures:
        future.result(PATIENCE)
    assert (keys.calls, keys.most_in_flight) == (1, 1)


def test_hanging_service_has_one_call_in_flight(
    ring_of: Callable[..., DataKeyring], keys: StubKeys, clock: Clock
) -> None:
    ring = started(ring_of())
    keys.gate.clear()
    clock.now += 0.85 * HOUR
    for _ in range(5_000):
        assert ring.take(1) is not None
        clock.now += 0.1
    waiting = [ring.request() for _ in range(100)]
    keys.wait_for_calls(2)
    assert keys.calls == 2
    assert all(future.done() for future in waiting), "a usable key is there"


def test_failed_call_delays_the_next_one(ring_of: Callable[..., DataKeyring], keys: StubKeys) -> None:
    ring = ring_of()
    keys.failure = KeyThrottledError("slow down")
    errors = [ring.request().exception(PATIENCE) for _ in range(3)]
    assert [type(error) for error in errors] == [KeyThrottledError] * 3
    assert keys.calls == 3
    began = time.monotonic()
    ring.request().exception(PATIENCE)
    # Half of the jittered wait after the third failure is one second; callers wait no longer than that.
    assert time.monotonic() - began > 0.5


def test_failed_prefetch_is_retried_later(ring_of: Callable[..., DataKeyring], keys: StubKeys, clock: Clock) -> None:
    ring = started(ring_of())
    keys.failure = KeyUnreachableError("down")
    clock.now += 0.85 * HOUR
    calls = []
    for _ in range(8):
        taken(ring)
        until(lambda: ring._pace.failures_in_a_row == keys.calls - 1)
        for _ in range(100):
            taken(ring)
        calls.append(keys.calls)
        clock.now += 31.0
    assert calls == list(range(2, 10)), "one try each time the wait, which is 30 s at most, is over"
    keys.failure = None
    taken(ring)
    until(lambda: ring._next is not None)


@pytest.mark.parametrize("state", ["waiting", "prefetching"])
def test_close_while_the_service_hangs(
    ring_of: Callable[..., DataKeyring], keys: StubKeys, clock: Clock, state: str
) -> None:
    ring = ring_of()
    waiting: list[Future[None]] = []
    if state == "prefetching":
        started(ring)
        clock.now += 0.9 * HOUR
        keys.gate.clear()
        taken(ring)
        keys.wait_for_calls(2)
    else:
        keys.gate.clear()
        waiting = [ring.request() for _ in range(3)]
        keys.wait_for_calls(1)
    ring.close()
    ring.close()
    for future in [*waiting, ring.request()]:
        with pytest.raises(EncryptionError, match="closed"):
            future.result(0)
    assert ring.take(1) is None
    keys.gate.set()
    until(lambda: keys.in_flight == 0)
    assert ring.take(1) is None, "a key that came late is forgotten too"


def test_waiter_that_gave_up_disturbs_nobody(ring_of: Callable[..., DataKeyring], keys: StubKeys) -> None:
    ring = ring_of()
    keys.gate.clear()
    gone, patient = ring.request(), ring.request()
    assert gone.cancel()
    keys.gate.set()
    patient.result(PATIENCE)


@pytest.mark.parametrize(
    "made",
    [
        DataKey(plaintext=b"k" * 16, wrapped=b"w", key_uri="stub://key"),
        DataKey(plaintext=b"k" * 32, wrapped=b"", key_uri="stub://key"),
        DataKey(plaintext=b"k" * 32, wrapped=b"w" * 8_193, key_uri="stub://key"),
        DataKey(plaintext=b"k" * 32, wrapped=b"w", key_uri=""),
        DataKey(plaintext=b"k" * 32, wrapped=b"w", key_uri="stub://schl\u00fcssel"),
        DataKey(plaintext=b"k" * 32, wrapped=b"w", key_uri="stub://key\n"),
        None,
    ],
)
def test_provider_that_returns_nonsense(
    keys: StubKeys, ring_of: Callable[..., DataKeyring], made: DataKey | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "generate_data_key", lambda _: made)
    with pytest.raises(KeyServiceError):
        ring_of().request().result(PATIENCE)


def test_provider_that_raises_anything(ring_of: Callable[..., DataKeyring], keys: StubKeys) -> None:
    keys.failure = ZeroDivisionError("secret detail")
    with pytest.raises(KeyUnreachableError) as caught:
        ring_of().request().result(PATIENCE)
    assert "secret detail" not in str(caught.value)


def test_configuration_that_turns_out_unusable(ring_of: Callable[..., DataKeyring], keys: StubKeys) -> None:
    keys.failure = ConfigurationError("set aws_region")
    with pytest.raises(KeyServiceError, match="set aws_region"):
        ring_of().request().result(PATIENCE)


def test_no_thread_to_be_had(ring_of: Callable[..., DataKeyring], monkeypatch: pytest.MonkeyPatch) -> None:
    ring = ring_of()

    def no_threads(_: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_threads)
        with pytest.raises(KeyUnreachableError):
            ring.request().result(0)
    started(ring)


def test_keys_are_not_shown_or_pickled(ring_of: Callable[..., DataKeyring], keys: StubKeys) -> None:
    ring = started(ring_of())
    key = taken(ring)
    plaintext = keys.keys[key.wrapped]
    for shown in (repr(key), repr(ring), repr(key.cipher)):
        assert plaintext.hex() not in shown
        assert repr(plaintext)[2:-1] not in shown
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            take(key)
