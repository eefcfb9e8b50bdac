"""Unwrapped keys are kept within bounds, fetched once, and never longer than a revoked KEK may last."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.encryption import DataKey
from telemetry.encryption.unwrap.cache import UnwrapCache
from telemetry.encryption.unwrap.opened_keys import _WEIGHT, MAX_BYTES
from telemetry.exceptions import (
    ConfigurationError,
    KeyAccessDeniedError,
    KeyMismatchError,
    KeyServiceError,
    KeyUnreachableError,
)
from telemetry.format.value import jwe
from tests.services.stub_keys import StubKeys

CONTEXT = {"service": "shop"}


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys() -> Iterator[StubKeys]:
    stub = StubKeys()
    yield stub
    stub.gate.set()


def new_key(keys: StubKeys) -> DataKey:
    key = keys.generate_data_key(CONTEXT)
    keys.calls = 0
    return key


def kid_of(key: DataKey) -> str:
    return jwe.key_id(key.plaintext, key_uri=key.key_uri, wrapped=key.wrapped)


def test_forged_keys_do_not_displace_keys(keys: StubKeys) -> None:
    key, cache = new_key(keys), UnwrapCache(keys, max_bytes=_WEIGHT)
    cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    keys.failure = KeyMismatchError("nobody wrapped this")
    for number in (*range(50), *range(50)):
        with pytest.raises(KeyMismatchError):
            cache.open_key(b"forged %d" % number, key.key_uri, CONTEXT)
    cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    assert keys.calls == 51


def test_key_is_unwrapped_once(keys: StubKeys) -> None:
    key, cache = new_key(keys), UnwrapCache(keys)
    opened = [cache.open_key(key.wrapped, key.key_uri, CONTEXT) for _ in range(1_000)]
    assert keys.calls == 1
    assert {each.kid for each in opened} == {kid_of(key)}
    sealed = AESGCM(key.plaintext).encrypt(bytes(12), b"text", None)
    assert {each.cipher.decrypt(bytes(12), sealed, None) for each in opened} == {b"text"}


def test_100_threads_ask_once(keys: StubKeys) -> None:
    key, cache = new_key(keys), UnwrapCache(keys)
    keys.gate.clear()
    with ThreadPoolExecutor(100) as pool:
        asked = [pool.submit(cache.open_key, key.wrapped, key.key_uri, CONTEXT) for _ in range(100)]
        keys.wait_for_calls(1)
        keys.gate.set()
        assert {future.result(60).kid for future in asked} == {kid_of(key)}
    assert keys.calls == 1


def test_revoked_kek_stops_reader_within_bound(keys: StubKeys, clock: Clock) -> None:
    key, cache = new_key(keys), UnwrapCache(keys, max_age=60.0, clock=clock)
    cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    keys.failure = KeyAccessDeniedError("revoked")
    clock.now += 59.9
    cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    clock.now += 0.2
    with pytest.raises(KeyAccessDeniedError):
        cache.open_key(key.wrapped, key.key_uri, CONTEXT)


def test_being_used_does_not_lengthen_a_life(keys: StubKeys, clock: Clock) -> None:
    key, cache = new_key(keys), UnwrapCache(keys, max_age=60.0, clock=clock)
    for _ in range(20):
        cache.open_key(key.wrapped, key.key_uri, CONTEXT)
        clock.now += 10.0
    assert keys.calls == 4


def test_bounded_in_bytes(keys: StubKeys) -> None:
    many, cache = [new_key(keys) for _ in range(30)], UnwrapCache(keys, max_bytes=10 * _WEIGHT)
    for key in many:
        cache.open_key(key.wrapped, key.key_uri, CONTEXT)
        cache.open_key(many[0].wrapped, many[0].key_uri, CONTEXT)
    assert len(cache) == 10
    assert keys.calls == 30, "the key in use stays"


def test_default_room_is_100_000_keys() -> None:
    assert MAX_BYTES == 64 << 20
    assert MAX_BYTES // _WEIGHT >= 100_000


def test_key_asked_again_is_reported(keys: StubKeys, caplog: pytest.LogCaptureFixture) -> None:
    many, cache = [new_key(keys) for _ in range(30)], UnwrapCache(keys, max_bytes=10 * _WEIGHT)
    for key in (*many, *many):
        cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    assert 50 <= keys.calls <= 60
    assert [record.name for record in caplog.records] == ["telemetry.encryption"]
    assert "asked for again" in caplog.text


def test_errors_do_not_displace_keys(keys: StubKeys) -> None:
    key, cache = new_key(keys), UnwrapCache(keys, max_bytes=_WEIGHT)
    cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    keys.failure = KeyAccessDeniedError("denied")
    for number in range(50):
        with pytest.raises(KeyAccessDeniedError):
            cache.open_key(b"denied %d" % number, key.key_uri, CONTEXT)
    cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    assert keys.calls == 51


def test_errors_whose_time_is_over_are_forgotten(keys: StubKeys, clock: Clock) -> None:
    key, cache = new_key(keys), UnwrapCache(keys, clock=clock)
    keys.failure = KeyAccessDeniedError("denied")
    for number in range(50):
        with pytest.raises(KeyAccessDeniedError):
            cache.open_key(b"denied %d" % number, key.key_uri, CONTEXT)
    clock.now += 1.1
    keys.failure = None
    cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    assert not cache._errors._kept


def test_kept_key_is_not_plaintext(keys: StubKeys) -> None:
    key, cache = new_key(keys), UnwrapCache(keys)
    cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    ((_, kept),) = cache._opened._kept
    assert key.plaintext not in kept.sealed


def test_error_is_remembered_for_a_moment_only(keys: StubKeys, clock: Clock) -> None:
    key, cache = new_key(keys), UnwrapCache(keys, clock=clock)
    keys.failure = KeyAccessDeniedError("denied")
    for _ in range(100):
        with pytest.raises(KeyAccessDeniedError, match="denied"):
            cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    assert keys.calls == 1
    keys.failure = None
    clock.now += 1.1
    assert cache.open_key(key.wrapped, key.key_uri, CONTEXT).kid


@pytest.mark.parametrize("changed", ["wrapped", "key_uri", "context"])
def test_any_difference_is_another_key(keys: StubKeys, changed: str) -> None:
    key, cache = new_key(keys), UnwrapCache(keys)
    cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    wrapped, uri, context = key.wrapped, key.key_uri, dict(CONTEXT)
    if changed == "wrapped":
        wrapped = new_key(keys).wrapped
    elif changed == "key_uri":
        uri += "2"
    else:
        context["service"] = "other"
    keys.calls = 0
    cache.open_key(wrapped, uri, context)
    assert keys.calls == 1


@pytest.mark.parametrize(
    ("wrapped", "uri"),
    [(b"", "stub://key"), (b"x" * 8_193, "stub://key"), (b"x", ""), (b"x", "s://" + "x" * 2_048), (b"x", "s://\n")],
)
def test_impossible_wrapped_key_makes_no_call(keys: StubKeys, wrapped: bytes, uri: str) -> None:
    with pytest.raises(KeyMismatchError):
        UnwrapCache(keys).open_key(wrapped, uri, CONTEXT)
    assert keys.calls == 0


def test_context_that_is_not_unicode(keys: StubKeys) -> None:
    key = new_key(keys)
    with pytest.raises(KeyMismatchError):
        UnwrapCache(keys).open_key(key.wrapped, key.key_uri, {"service": "\ud800"})


def test_wrapped_bytes_that_are_no_key(keys: StubKeys) -> None:
    keys.keys[b"short"] = b"k" * 16
    with pytest.raises(KeyMismatchError, match="32 bytes"):
        UnwrapCache(keys).open_key(b"short", "stub://key", CONTEXT)


def test_provider_that_raises_anything(keys: StubKeys) -> None:
    key = new_key(keys)
    keys.failure = ZeroDivisionError("secret detail")
    with pytest.raises(KeyUnreachableError) as caught:
        UnwrapCache(keys).open_key(key.wrapped, key.key_uri, CONTEXT)
    assert "secret detail" not in str(caught.value)


def test_configuration_that_turns_out_unusable(keys: StubKeys) -> None:
    key = new_key(keys)
    keys.failure = ConfigurationError("set aws_region")
    with pytest.raises(KeyServiceError, match="set aws_region"):
        UnwrapCache(keys).open_key(key.wrapped, key.key_uri, CONTEXT)


def test_interrupted_reader_does_not_leave_others_waiting(keys: StubKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    key, cache = new_key(keys), UnwrapCache(keys)

    def interrupt(*_: object) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(keys, "unwrap", interrupt)
        with pytest.raises(KeyboardInterrupt):
            cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    assert cache.open_key(key.wrapped, key.key_uri, CONTEXT).kid


def test_closed_cache_holds_nothing(keys: StubKeys) -> None:
    key, cache = new_key(keys), UnwrapCache(keys)
    cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    cache.close()
    assert len(cache) == 0


def test_opened_key_is_not_shown_or_pickled(keys: StubKeys) -> None:
    key = new_key(keys)
    opened = UnwrapCache(keys).open_key(key.wrapped, key.key_uri, CONTEXT)
    assert key.plaintext.hex() not in repr(opened)
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            take(opened)


class ThirdPartyError(KeyServiceError):
    def __init__(self, code: int, *, region: str) -> None:
        super().__init__(f"refused with {code} in {region}")


def test_remembered_error_with_other_arguments(keys: StubKeys) -> None:
    key, cache = new_key(keys), UnwrapCache(keys)
    keys.failure = ThirdPartyError(7, region="north")
    for _ in range(3):
        with pytest.raises(ThirdPartyError, match="refused with 7 in north"):
            cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    assert keys.calls == 1


def test_key_arriving_after_close_is_dropped(keys: StubKeys) -> None:
    key, cache = new_key(keys), UnwrapCache(keys)
    keys.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(cache.open_key, key.wrapped, key.key_uri, CONTEXT)
        keys.wait_for_calls(1)
        cache.close()
        keys.gate.set()
        asked.result(60)
    assert len(cache) == 0


def test_old_keys_are_dropped_unasked(keys: StubKeys, clock: Clock) -> None:
    cache = UnwrapCache(keys, max_age=60.0, clock=clock)
    for _ in range(5):
        key = new_key(keys)
        cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    clock.now += 61
    key = new_key(keys)
    cache.open_key(key.wrapped, key.key_uri, CONTEXT)
    assert len(cache) == 1


@pytest.mark.parametrize("changed", ["key_uri", "wrapped"])
def test_kid_commits_to_the_records_facts(keys: StubKeys, changed: str) -> None:
    # The stub unwraps under any URI, and the same key from two wrapped forms.
    key, cache = new_key(keys), UnwrapCache(keys)
    uri, wrapped = key.key_uri, key.wrapped
    if changed == "key_uri":
        uri += "/2"
    else:
        wrapped += b"\x00"
        keys.keys[wrapped] = key.plaintext
    assert cache.open_key(key.wrapped, key.key_uri, CONTEXT).kid == kid_of(key)
    assert cache.open_key(wrapped, uri, CONTEXT).kid != kid_of(key)
