"""Runs a key service in the test itself that counts its calls, and fails or hangs on request."""

from __future__ import annotations

import os
import threading

from telemetry.config import EncryptionConfig
from telemetry.encryption import Context, DataKey, EncryptionProvider
from telemetry.encryption.storage_keys import PURPOSE


class StubKeys(EncryptionProvider):
    """Keeps every key that it created; ``gate`` lets calls through while it is set."""

    def __init__(self, config: EncryptionConfig | None = None) -> None:  # noqa: ARG002 - the signature of the ABC
        self.gate = threading.Event()
        self.gate.set()
        self.failure: Exception | None = None
        self.keys: dict[bytes, bytes] = {}
        self.calls = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.entered = threading.Condition()

    def generate_data_key(self, context: Context) -> DataKey:
        if context.get("purpose") == PURPOSE:
            # For what is stored: one more call at the start of a process, which no test of data keys is about.
            return self._generated()
        with self.entered:
            self.calls += 1
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            self.entered.notify_all()
        try:
            self.gate.wait()
            if self.failure is not None:
                raise self.failure
            return self._generated()
        finally:
            with self.entered:
                self.in_flight -= 1

    def _generated(self) -> DataKey:
        plaintext, wrapped = os.urandom(32), os.urandom(60)
        self.keys[wrapped] = plaintext
        return DataKey(plaintext=plaintext, wrapped=wrapped, key_uri="stub://key")

    def unwrap(self, wrapped: bytes, key_uri: str, context: Context) -> bytes:  # noqa: ARG002 - the signature of the ABC
        with self.entered:
            self.calls += 1
            self.entered.notify_all()
        self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return self.keys[wrapped]

    def check(self) -> None:
        """Nothing to try."""

    def wait_for_calls(self, count: int) -> None:
        """Wait until this many calls have begun."""
        with self.entered:
            assert self.entered.wait_for(lambda: self.calls >= count, timeout=20)
