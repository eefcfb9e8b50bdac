"""A key service that breaks a promise fails the contract: each fault, and the test that finds it."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.config import EncryptionConfig
from telemetry.encryption import Context, DataKey, EncryptionProvider, canonical
from telemetry.encryption.context import require_bounds
from telemetry.encryption.trial import try_key
from telemetry.exceptions import KeyMismatchError, KeyServiceError
from telemetry.testing import EncryptionProviderContract
from telemetry.testing.contracts.encryption import CONTEXT

CONFIG = EncryptionConfig(provider="sound")


class Sound(EncryptionProvider):
    """Keeps the contract."""

    kek = bytes(range(32))
    uri = "sound://key"

    def __init__(self, config: EncryptionConfig) -> None:
        self.config = config

    def bound(self, context: Context) -> bytes:
        return canonical(context)

    def generate_data_key(self, context: Context) -> DataKey:
        plaintext, iv = secrets.token_bytes(32), secrets.token_bytes(12)
        wrapped = iv + AESGCM(self.kek).encrypt(iv, plaintext, self.bound(context))
        return DataKey(plaintext=plaintext, wrapped=wrapped, key_uri=self.uri)

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        require_bounds(wrapped, key_uri)
        if key_uri != self.uri or len(wrapped) != 60:
            message = "another key"
            raise KeyMismatchError(message)
        try:
            return AESGCM(self.kek).decrypt(wrapped[:12], wrapped[12:], self.bound(context))
        except InvalidTag as exc:
            message = "altered"
            raise KeyMismatchError(message) from exc

    def check(self) -> None:
        try_key(self, writer_only=False)


class Unbound(Sound):
    def bound(self, context: Context) -> bytes:  # noqa: ARG002 - the fault
        return b""


class BoundByOrder(Sound):
    def bound(self, context: Context) -> bytes:
        return repr(list(context.items())).encode()


class BoundToAscii(Sound):
    def bound(self, context: Context) -> bytes:
        return canonical(context).decode().encode("ascii")


class Steerable(Sound):
    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:  # noqa: ARG002 - the fault
        return super().unwrap(wrapped, self.uri, context)


class Short(Sound):
    def generate_data_key(self, context: Context) -> DataKey:
        made = super().generate_data_key(context)
        return DataKey(plaintext=made.plaintext[:16], wrapped=made.wrapped, key_uri=made.key_uri)


class Repeating(Sound):
    made: DataKey | None = None

    def generate_data_key(self, context: Context) -> DataKey:
        self.made = self.made or super().generate_data_key(context)
        return self.made


class InTheClear(Sound):
    def generate_data_key(self, context: Context) -> DataKey:
        made = super().generate_data_key(context)
        return DataKey(plaintext=made.plaintext, wrapped=made.plaintext, key_uri=made.key_uri)

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:  # noqa: ARG002 - the fault
        return wrapped


class RaisingItsOwn(Sound):
    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:  # noqa: ARG002 - the fault
        return AESGCM(self.kek).decrypt(wrapped[:12], wrapped[12:], self.bound(context))


class Vague(Sound):
    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        try:
            return super().unwrap(wrapped, key_uri, context)
        except KeyMismatchError as exc:
            raise KeyServiceError(str(exc)) from exc


class OfOneInstance(Sound):
    def __init__(self, config: EncryptionConfig) -> None:
        super().__init__(config)
        self.kek = secrets.token_bytes(32)


class Talkative(Sound):
    def generate_data_key(self, context: Context) -> DataKey:
        made = super().generate_data_key(context)
        logging.getLogger("talkative").debug("made %s", made.plaintext.hex())
        return made


class TellingInErrors(Sound):
    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        try:
            return super().unwrap(wrapped, key_uri, context)
        except KeyMismatchError as exc:
            plaintext = AESGCM(self.kek).decrypt(wrapped[:12], wrapped[12:], self.bound(CONTEXT))
            message = f"{plaintext!r} is not for this context"
            raise KeyMismatchError(message) from exc


class ShowingInTracebacks(Sound):
    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:  # noqa: ARG002 - the fault
        plaintext = AESGCM(self.kek).decrypt(wrapped[:12], wrapped[12:], self.bound(CONTEXT))
        if context != CONTEXT:
            message = "not for this context"
            raise KeyMismatchError(message)
        return plaintext


class Printable(Sound):
    class Key(DataKey):
        def __repr__(self) -> str:
            return f"Key({self.plaintext!r})"

        def __reduce__(self) -> tuple[type[bytes], tuple[bytes]]:  # type: ignore[override]
            return bytes, (self.plaintext,)

    def generate_data_key(self, context: Context) -> DataKey:
        made = super().generate_data_key(context)
        return self.Key(plaintext=made.plaintext, wrapped=made.wrapped, key_uri=made.key_uri)


class ClosedOnce(Sound):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise ValueError
        self.closed = True


CONTRACT = EncryptionProviderContract()
Check = Callable[[EncryptionProvider], None]


def moved(number: int) -> Check:
    contexts = EncryptionProviderContract.test_wrapped_key_moved_to_another_context.pytestmark[0].args[1]  # type: ignore[attr-defined]
    return lambda provider: CONTRACT.test_wrapped_key_moved_to_another_context(provider, contexts[number])


def opened_by_a_peer(provider: EncryptionProvider) -> None:
    CONTRACT.test_wrapped_key_opens(provider, type(provider)(CONFIG))


def of_another_key(provider: EncryptionProvider) -> None:
    other = type(provider)(CONFIG)
    other.kek, other.uri = secrets.token_bytes(32), "sound://other"  # type: ignore[attr-defined]
    CONTRACT.test_wrapped_key_of_another_key(provider, other)


@pytest.mark.parametrize(
    ("faulty", "finding"),
    [
        (Unbound, moved(0)),
        (Unbound, moved(5)),
        (BoundByOrder, CONTRACT.test_order_of_the_context_does_not_matter),
        (BoundToAscii, CONTRACT.test_any_text_may_be_in_the_context),
        (Steerable, CONTRACT.test_reader_steered_to_another_uri),
        (Steerable, of_another_key),
        (Short, CONTRACT.test_data_key_has_its_form),
        (Repeating, CONTRACT.test_data_keys_are_never_the_same),
        (InTheClear, CONTRACT.test_data_key_has_its_form),
        (InTheClear, CONTRACT.test_wrapped_key_altered),
        (RaisingItsOwn, CONTRACT.test_wrapped_key_altered),
        (Vague, CONTRACT.test_wrapped_key_altered),
        (OfOneInstance, opened_by_a_peer),
        (TellingInErrors, CONTRACT.test_no_key_in_repr_pickle_or_error),
        (ShowingInTracebacks, CONTRACT.test_no_key_in_repr_pickle_or_error),
        (Printable, CONTRACT.test_no_key_in_repr_pickle_or_error),
        (ClosedOnce, CONTRACT.test_close_may_be_called_twice),
    ],
)
def test_fault_is_found(faulty: type[Sound], finding: Check) -> None:
    finding(Sound(CONFIG))
    with pytest.raises((AssertionError, Exception, pytest.fail.Exception)):
        finding(faulty(CONFIG))


def test_key_in_the_log_is_found(caplog: pytest.LogCaptureFixture) -> None:
    CONTRACT.test_no_key_in_the_logs(Sound(CONFIG), caplog)
    with pytest.raises(AssertionError, match="a data key is shown"):
        CONTRACT.test_no_key_in_the_logs(Talkative(CONFIG), caplog)


class TestSound(EncryptionProviderContract):
    @pytest.fixture
    def provider(self) -> EncryptionProvider:
        return Sound(CONFIG)
