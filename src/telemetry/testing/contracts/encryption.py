"""Tests every promise of an ``EncryptionProvider``; the author of a provider runs them on it."""

from __future__ import annotations

import base64
import copy
import logging
import pickle
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from traceback import TracebackException
from typing import ClassVar

import pytest

from telemetry.config import EncryptionConfig
from telemetry.encryption import DATA_KEY_BYTES, DataKey, EncryptionProvider, EncryptionProviderFactory
from telemetry.exceptions import (
    KeyAccessDeniedError,
    KeyDisabledError,
    KeyMismatchError,
    KeyServiceError,
    KeyUnreachableError,
    TelemetryError,
)

CONTEXT = {"service": "shop", "environment": "production", "purpose": "telemetry-audit", "format": "1"}
# Each differs from CONTEXT in one way; the last one is equal to it if names and texts are joined carelessly.
_OTHER_CONTEXTS = (
    {**CONTEXT, "service": "shop2"},
    {**CONTEXT, "environment": "staging"},
    {**CONTEXT, "service": CONTEXT["environment"], "environment": CONTEXT["service"]},
    {**CONTEXT, "format": ""},
    {**CONTEXT, "more": "1"},
    {name: text for name, text in CONTEXT.items() if name != "purpose"},
    {"service": 'shop","environment":"production', "purpose": "telemetry-audit", "format": "1"},
)
_ODD_CONTEXT = {
    **CONTEXT,
    "service": "caf\u00e9 \u4e8b\u4ef6 \U0001f512 \"quoted\" \\ / 'x' \t",
    "environment": "a/b c",
}
_THREADS = 8
_MAX_WRAPPED = 8_192
_MAX_URI = 2_048
_URI = re.compile(r"[a-z][a-z0-9+.-]*://[!-~]+")
_TOUCHED_BYTES = 48
"""Bytes of a wrapped key that are flipped, evenly spread: each costs one call of the service."""


class EncryptionProviderContract:
    """The suite: subclass it in a test module under a name that begins with ``Test``, with a ``provider`` fixture.

    As in::

        class TestMyKeys(EncryptionProviderContract):
            @pytest.fixture
            def provider(self):
                with MyKeys(MyConfig(provider="my_keys")) as provider:
                    yield provider

    The other fixtures let the suite create situations that only the service's owner can: another key, a disabled key, a
    caller without rights, an unreachable service. A test whose fixture is not overridden is skipped, and says why.

    Attributes:
        disabled_error: Error that a disabled key raises.
        denied_error: Error that a caller without rights gets.
        unreachable_seconds: Limit in seconds for giving up on a service that does not answer.
    """

    disabled_error: ClassVar[type[KeyServiceError]] = KeyDisabledError
    denied_error: ClassVar[type[KeyServiceError]] = KeyAccessDeniedError
    unreachable_seconds: ClassVar[float] = 30.0

    @pytest.fixture
    def provider(self) -> Iterator[EncryptionProvider]:
        """The provider under test; the subclass overrides this."""
        message = f"{type(self).__name__} must define a fixture named 'provider'"
        raise NotImplementedError(message)

    @pytest.fixture
    def peer(self, provider: EncryptionProvider) -> Iterator[EncryptionProvider]:
        """Another provider with the same configuration, as another process would have it."""
        config = getattr(provider, "config", None)
        if not isinstance(config, EncryptionConfig):
            pytest.skip("the provider has no attribute 'config': override the fixture 'peer'")
        with type(provider)(config) as peer:
            yield peer

    @pytest.fixture
    def other(self) -> EncryptionProvider:
        """A provider of the same kind on another key."""
        pytest.skip("no other key: override the fixture 'other'")

    @pytest.fixture
    def successor(self, provider: EncryptionProvider, other: EncryptionProvider) -> Iterator[EncryptionProvider]:
        """The key of ``other`` as the current one, with that of ``provider`` in ``previous_keys``."""
        previous, current = getattr(provider, "config", None), getattr(other, "config", None)
        if not isinstance(previous, EncryptionConfig) or not isinstance(current, EncryptionConfig):
            pytest.skip("the provider has no attribute 'config': override the fixture 'successor'")
        config = current.model_copy(update={"previous_keys": (previous,)})
        with EncryptionProviderFactory.create(config) as successor:
            yield successor

    @pytest.fixture
    def disable(self) -> Callable[[], None]:
        """A function that disables the key until the test ends."""
        pytest.skip("no way to disable the key: override the fixture 'disable'")

    @pytest.fixture
    def deny(self) -> Callable[[], None]:
        """A function that revokes the caller's rights until the test ends."""
        pytest.skip("no way to revoke rights: override the fixture 'deny'")

    @pytest.fixture
    def unreachable(self) -> EncryptionProvider:
        """A provider whose service does not answer."""
        pytest.skip("no unreachable service: override the fixture 'unreachable'")

    def test_check_passes(self, provider: EncryptionProvider) -> None:
        """``check()`` succeeds, more than once."""
        provider.check()
        provider.check()

    def test_data_key_has_its_form(self, provider: EncryptionProvider) -> None:
        """A data key has 256 bits, a wrapped form that does not show it, and a URI in plain characters."""
        data_key = provider.generate_data_key(CONTEXT)
        _equal(len(data_key.plaintext), DATA_KEY_BYTES, "a data key has the wrong length")
        _require(0 < len(data_key.wrapped) <= _MAX_WRAPPED, f"the wrapped key has {len(data_key.wrapped)} bytes")
        _require(data_key.plaintext not in data_key.wrapped, "the wrapped key shows the data key")
        _require(_URI.fullmatch(data_key.key_uri) is not None, f"the URI {data_key.key_uri!r} is not a plain URI")
        _require(len(data_key.key_uri) <= _MAX_URI, "the URI is too long")

    def test_data_keys_are_never_the_same(self, provider: EncryptionProvider) -> None:
        """Each call creates another key and another wrapped form, also from many threads."""
        data_keys = _created_by_threads(provider)
        _equal(len({key.plaintext for key in data_keys}), len(data_keys), "a data key was created twice")
        _equal(len({key.wrapped for key in data_keys}), len(data_keys), "a wrapped key was created twice")

    def test_wrapped_key_opens(self, provider: EncryptionProvider, peer: EncryptionProvider) -> None:
        """A key that one instance wrapped is unwrapped by it and by another, also from many threads."""
        data_keys = _created_by_threads(provider)
        with ThreadPoolExecutor(_THREADS) as pool:
            opened = list(pool.map(lambda key: peer.unwrap(key.wrapped, key.key_uri, CONTEXT), data_keys))
        # Not _equal: a failure must not print the keys.
        _require(opened == [key.plaintext for key in data_keys], "another instance does not unwrap the keys")
        _require(_unwrap(provider, data_keys[0]) == data_keys[0].plaintext, "the instance does not unwrap its own key")

    def test_recipient_wraps_a_given_key(self, provider: EncryptionProvider, peer: EncryptionProvider) -> None:
        """A provider that can be a recipient wraps a key that another one generated, bound to the context as its own."""
        if type(provider).wrap is EncryptionProvider.wrap:
            pytest.skip("the provider cannot be a recipient: it has no method wrap()")
        given = bytes(range(DATA_KEY_BYTES))
        wrapped, key_uri = provider.wrap(given, CONTEXT)
        _require(_URI.fullmatch(key_uri) is not None, f"the URI {key_uri!r} is not a plain URI")
        _require(0 < len(wrapped) <= _MAX_WRAPPED, f"the wrapped key has {len(wrapped)} bytes")
        _require(given not in wrapped, "the wrapped key shows the data key")
        _require(peer.unwrap(wrapped, key_uri, CONTEXT) == given, "another instance does not unwrap it")
        with pytest.raises(KeyMismatchError):
            peer.unwrap(wrapped, key_uri, {**CONTEXT, "service": "other"})

    def test_order_of_the_context_does_not_matter(self, provider: EncryptionProvider) -> None:
        """A context is a set of names with texts; their order is not part of it."""
        data_key = provider.generate_data_key(CONTEXT)
        turned = dict(reversed(CONTEXT.items()))
        _require(provider.unwrap(data_key.wrapped, data_key.key_uri, turned) == data_key.plaintext, "the order matters")

    def test_any_text_may_be_in_the_context(self, provider: EncryptionProvider) -> None:
        """Names of services and environments may hold any text."""
        data_key = provider.generate_data_key(_ODD_CONTEXT)
        _require(
            provider.unwrap(data_key.wrapped, data_key.key_uri, _ODD_CONTEXT) == data_key.plaintext,
            "it does not unwrap",
        )

    @pytest.mark.parametrize("context", _OTHER_CONTEXTS, ids=range(len(_OTHER_CONTEXTS)))
    def test_wrapped_key_moved_to_another_context(self, provider: EncryptionProvider, context: dict[str, str]) -> None:
        """A wrapped key of one service or environment does not unwrap for another."""
        data_key = provider.generate_data_key(CONTEXT)
        with pytest.raises(KeyMismatchError):
            provider.unwrap(data_key.wrapped, data_key.key_uri, context)

    def test_wrapped_key_altered(self, provider: EncryptionProvider) -> None:
        """A flipped bit, a missing or an added byte, or other bytes altogether are refused."""
        data_key = provider.generate_data_key(CONTEXT)
        whole, size = data_key.wrapped, len(data_key.wrapped)
        step = max(1, size // _TOUCHED_BYTES)
        altered = [
            whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :] for at in {*range(0, size, step), 0, 1, 2, size - 1}
        ]
        # Cut, extended, doubled, empty, zeroed, and larger than any wrapped key: parsers fail on these before they decrypt.
        altered += [
            b"",
            b"\x00",
            whole[:-1],
            whole[1:],
            whole + b"\x00",
            whole + whole,
            bytes(size),
            bytes(_MAX_WRAPPED + 1),
        ]
        for wrapped in altered:
            _require_mismatch(provider, wrapped, data_key.key_uri)

    def test_reader_steered_to_another_uri(self, provider: EncryptionProvider) -> None:
        """A record cannot direct its reader to a key of an attacker's choice."""
        data_key = provider.generate_data_key(CONTEXT)
        scheme, _, rest = data_key.key_uri.partition("://")
        uris = ["", scheme, f"{scheme}://", f"other-{scheme}://{rest}", f"{scheme}://evil.example/{rest}"]
        # Spaces, line ends, NULs and path steps: what a URI parser and a comparison of texts may read differently.
        uris += [
            f"{data_key.key_uri}/../x",
            f" {data_key.key_uri}",
            f"{data_key.key_uri}\n",
            f"{data_key.key_uri}\x00",
            f"{data_key.key_uri}\u00e9",
        ]
        # The last is the metadata service of a cloud: an SDK that calls any URI would hand out credentials.
        uris += [data_key.key_uri.replace(rest, rest[::-1]), f"{scheme}://{'x' * 100_000}", "https://169.254.169.254/"]
        for uri in uris:
            _require_mismatch(provider, data_key.wrapped, uri)

    def test_wrapped_key_of_another_key(self, provider: EncryptionProvider, other: EncryptionProvider) -> None:
        """A data key wrapped by another key is not unwrapped, whichever of the two keys the record names."""
        mine, foreign = provider.generate_data_key(CONTEXT), other.generate_data_key(CONTEXT)
        _require(mine.key_uri != foreign.key_uri, "two keys have one URI")
        _require_mismatch(provider, foreign.wrapped, mine.key_uri)
        _require_mismatch(provider, foreign.wrapped, foreign.key_uri)
        _require_mismatch(provider, mine.wrapped, foreign.key_uri)

    def test_previous_key_is_read_when_listed(
        self, provider: EncryptionProvider, other: EncryptionProvider, successor: EncryptionProvider
    ) -> None:
        """A reader with a new key opens what a listed previous key wrapped; a reader without the list does not."""
        before = provider.generate_data_key(CONTEXT)
        after = successor.generate_data_key(CONTEXT)
        _require(after.key_uri != before.key_uri, "the previous key still wraps")
        for data_key in (before, after, before):
            _require(_unwrap(successor, data_key) == data_key.plaintext, "a listed key does not unwrap")
        _require(successor.admits(before.key_uri) and successor.admits(after.key_uri), "a listed key is not admitted")
        _require_mismatch(other, before.wrapped, before.key_uri)
        # A listed key unwraps what it wrapped itself, for its own context, and nothing else.
        _require_mismatch(successor, before.wrapped, after.key_uri)
        _require_mismatch(successor, after.wrapped, before.key_uri)
        with pytest.raises(KeyMismatchError):
            successor.unwrap(before.wrapped, before.key_uri, {**CONTEXT, "service": "other"})

    def test_disabled_key(self, provider: EncryptionProvider, disable: Callable[[], None]) -> None:
        """A disabled key wraps nothing, unwraps nothing, and fails the check."""
        data_key = provider.generate_data_key(CONTEXT)
        disable()
        _require_refusal(provider, data_key, self.disabled_error)

    def test_caller_without_rights(self, provider: EncryptionProvider, deny: Callable[[], None]) -> None:
        """A caller without rights to the key gets an error that says so."""
        data_key = provider.generate_data_key(CONTEXT)
        deny()
        _require_refusal(provider, data_key, self.denied_error)

    def test_service_unreachable(self, unreachable: EncryptionProvider) -> None:
        """Calls to a service that does not answer end within the limit, with a retriable error."""
        began = time.monotonic()
        with pytest.raises(KeyUnreachableError) as caught:
            unreachable.generate_data_key(CONTEXT)
        _require(caught.value.retriable, "the error is not retriable")
        _require(time.monotonic() - began < self.unreachable_seconds, "the provider did not give up in time")

    def test_no_key_in_repr_pickle_or_error(self, provider: EncryptionProvider) -> None:
        """A data key is in no ``repr``, cannot be pickled or copied, and is in no error, not even with local variables."""
        data_key = provider.generate_data_key(CONTEXT)
        for shown in (repr(data_key), str(data_key), repr(provider), f"{vars(type(provider))}"):
            _require_absent(data_key, shown)
        for duplicate in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError):
                duplicate(data_key)
        with pytest.raises(KeyMismatchError) as caught:
            provider.unwrap(data_key.wrapped, data_key.key_uri, {**CONTEXT, "service": "other"})
        # Error trackers such as Sentry record the local variables of every frame.
        with_locals = TracebackException.from_exception(caught.value, capture_locals=True)
        _require_absent(data_key, "".join(with_locals.format()))
        # The causes too: the SDK's own errors may quote a request or a response.
        error: BaseException | None = caught.value
        while error is not None:
            _require_absent(data_key, f"{error!r} {error} {vars(error)}")
            error = error.__cause__ or error.__context__

    def test_no_key_in_the_logs(self, provider: EncryptionProvider, caplog: pytest.LogCaptureFixture) -> None:
        """Neither the provider nor the SDK below it logs a data key, at any level."""
        with caplog.at_level(logging.DEBUG), _loud("google", "azure", "botocore", "urllib3"):
            data_key = provider.generate_data_key(CONTEXT)
            provider.unwrap(data_key.wrapped, data_key.key_uri, CONTEXT)
        for record in caplog.records:
            _require_absent(data_key, f"{record.getMessage()} {record.__dict__}")

    def test_close_may_be_called_twice(self, provider: EncryptionProvider) -> None:
        """After ``close()`` a call fails with an error of this library, or still works."""
        data_key = provider.generate_data_key(CONTEXT)
        provider.close()
        provider.close()
        # A provider may reconnect by itself; what it must not do is fail with an error that nobody handles.
        with suppress(TelemetryError):
            provider.generate_data_key(CONTEXT)
        with suppress(TelemetryError):
            _require(_unwrap(provider, data_key) == data_key.plaintext, "a closed provider unwraps to something else")


class _loud:  # noqa: N801 - used like a function
    """Lets loggers that do not propagate reach the handler of the test."""

    def __init__(self, *names: str) -> None:
        self._loggers = [logging.getLogger(name) for name in names]
        self._before = [(logger, logger.level, logger.propagate) for logger in self._loggers]

    def __enter__(self) -> None:
        for logger in self._loggers:
            logger.setLevel(logging.DEBUG)
            logger.propagate = True

    def __exit__(self, *_: object) -> None:
        for logger, level, propagate in self._before:
            logger.setLevel(level)
            logger.propagate = propagate


def _created_by_threads(provider: EncryptionProvider) -> list[DataKey]:
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(lambda _: provider.generate_data_key(CONTEXT), range(2 * _THREADS)))


def _unwrap(provider: EncryptionProvider, data_key: DataKey) -> bytes:
    return provider.unwrap(data_key.wrapped, data_key.key_uri, CONTEXT)


def _require_mismatch(provider: EncryptionProvider, wrapped: bytes, key_uri: str) -> None:
    try:
        provider.unwrap(wrapped, key_uri, CONTEXT)
    except KeyMismatchError:
        return
    except Exception as exc:
        message = f"{len(wrapped)} altered bytes under {key_uri[:100]!r} raised {type(exc).__name__}: {exc}"
        raise AssertionError(message) from exc
    message = f"{len(wrapped)} altered bytes under {key_uri[:100]!r} were accepted"
    raise AssertionError(message)


def _require_refusal(provider: EncryptionProvider, data_key: DataKey, error: type[KeyServiceError]) -> None:
    with pytest.raises(error):
        provider.generate_data_key(CONTEXT)
    with pytest.raises(error):
        _unwrap(provider, data_key)
    with pytest.raises(TelemetryError):
        provider.check()


def _require_absent(data_key: DataKey, shown: str) -> None:
    key = data_key.plaintext
    # As bytes, in base64 of both alphabets, in hexadecimal: the forms in which a log or a repr would show it.
    forms = (
        key.hex(),
        base64.b64encode(key).decode(),
        base64.urlsafe_b64encode(key).decode().rstrip("="),
        repr(key)[2:-1],
    )
    _require(not any(form in shown for form in forms), "a data key is shown")


def _equal(seen: object, expected: object, otherwise: str) -> None:
    _require(seen == expected, f"{otherwise}: {str(seen)[:500]} instead of {str(expected)[:500]}")


def _require(fits: bool, otherwise: str) -> None:
    # Not an assert statement: pytest explains those in test modules only, and would show the keys.
    if not fits:
        raise AssertionError(otherwise)
