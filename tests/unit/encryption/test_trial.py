"""The trial of a key at the start: it wraps, it unwraps, and it notices a service that gives back other bytes."""

from __future__ import annotations

import pytest

from telemetry.encryption import Context
from telemetry.encryption.trial import TRIAL_CONTEXT, try_key
from telemetry.exceptions import KeyAccessDeniedError, KeyMismatchError
from tests.services.stub_keys import StubKeys


class WriterOnly(StubKeys):
    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        del wrapped, key_uri, context
        message = "kms:Decrypt is not granted"
        raise KeyAccessDeniedError(message)


class Confused(StubKeys):
    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:
        return bytes(reversed(super().unwrap(wrapped, key_uri, context)))


def test_key_that_works_is_called_twice() -> None:
    keys = StubKeys()
    try_key(keys, writer_only=False)
    assert keys.calls == 2


def test_writer_does_not_unwrap() -> None:
    try_key(WriterOnly(), writer_only=True)


def test_reader_needs_the_right_to_unwrap() -> None:
    with pytest.raises(KeyAccessDeniedError):
        try_key(WriterOnly(), writer_only=False)


def test_other_bytes_are_noticed() -> None:
    with pytest.raises(KeyMismatchError, match="other bytes than it had wrapped"):
        try_key(Confused(), writer_only=False)


def test_key_policy_can_admit_the_trial() -> None:
    # Documented for conditions on the encryption context; it must not change.
    assert dict(TRIAL_CONTEXT) == {
        "service": "telemetry-check",
        "environment": "telemetry-check",
        "purpose": "telemetry-audit",
        "format": "1",
    }
