"""Runs a Kafka, a store and a key service that are slow, hang or fail on request."""

from __future__ import annotations

import itertools
import json
import os
import threading
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.config import EncryptionConfig, StorageConfig
from telemetry.encryption import DATA_KEY_BYTES, DataKey, EncryptionProvider, EncryptionProviderFactory
from telemetry.exceptions import KeyMismatchError, KeyUnreachableError, StorageUnreachableError
from telemetry.storage import StorageProviderFactory
from telemetry.testing import EmbeddedKafka
from tests.support.memory_store import MemoryStore

_NUMBERS = itertools.count()
_LONGEST_HANG = 60.0
_SLOW_SECONDS = 0.15
_NOT_ENOUGH_REPLICAS = 19


class Faults:
    """The fault that every call meets.

    Attributes:
        delay: Seconds that each call takes.
        failure: Raised by each call, or None.
        gate: Calls hang while it is clear.
        calls: Operations begun, in order.
    """

    def __init__(self) -> None:
        self.delay = 0.0
        self.failure: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.calls: list[str] = []
        self._pause = threading.Event()
        self._began = threading.Condition()

    def meet(self, operation: str) -> None:
        """Let a call meet its fault."""
        with self._began:
            self.calls.append(operation)
            self._began.notify_all()
        if self.delay:
            self._pause.wait(self.delay)
        self.gate.wait(_LONGEST_HANG)
        if self.failure is not None:
            raise self.failure

    def wait_for(self, operation: str, *, count: int = 1) -> None:
        """Wait until this many calls of an operation have begun."""
        with self._began:
            assert self._began.wait_for(lambda: self.calls.count(operation) >= count, timeout=20)

    def begin(self, kind: str, failure: Exception) -> None:
        """Let every call be ``slow``, ``hanging`` or ``failing``."""
        if kind == "slow":
            self.delay = _SLOW_SECONDS
        elif kind == "hanging":
            self.gate.clear()
        else:
            self.failure = failure

    def clear(self) -> None:
        """End the fault."""
        self.delay, self.failure = 0.0, None
        self.gate.set()


class FaultyKafka:
    """An embedded Kafka with faults by name.

    Attributes:
        broker: The Kafka.
    """

    def __init__(self, broker: EmbeddedKafka) -> None:
        self.broker = broker

    def begin(self, kind: str) -> None:
        """Let it be ``slow``, ``hanging``, ``failing`` (connections are refused) or ``refusing`` (records are)."""
        if kind == "slow":
            self.broker.set_latency(_SLOW_SECONDS)
        elif kind == "hanging":
            self.broker.set_latency(_LONGEST_HANG)
        elif kind == "failing":
            self.broker.stop_brokers()
        else:
            self.broker.fail_produce(_NOT_ENOUGH_REPLICAS, count=10_000)

    def clear(self) -> None:
        """End the fault."""
        self.broker.set_latency(0)
        self.broker.start_brokers()
        self.broker.fail_produce(0, count=0)


class FaultyStore:
    """A registered store in memory.

    Attributes:
        config: Makes a pipeline use it.
        faults: What goes wrong with its calls.
        objects: What it holds, by name.
    """

    def __init__(self) -> None:
        faults = self.faults = Faults()
        objects: dict[str, bytes] = {}
        self.objects = objects

        class Store(MemoryStore):
            def __init__(self, config: StorageConfig) -> None:
                super().__init__(config, objects=objects)
                self.before = lambda operation, _name: faults.meet(operation)

        name = f"faulty-store-{next(_NUMBERS)}"
        StorageProviderFactory.register(name, Store)
        self.config = StorageConfig(provider=name)

    def begin(self, kind: str) -> None:
        """Let it be ``slow``, ``hanging`` or ``failing``."""
        self.faults.begin(kind, StorageUnreachableError("the store is away"))

    def clear(self) -> None:
        """End the fault."""
        self.faults.clear()


class FaultyKeys:
    """A registered key service with a KEK of its own.

    Attributes:
        config: Makes a pipeline use it.
        faults: What goes wrong with its calls.
    """

    def __init__(self) -> None:
        faults = self.faults = Faults()

        class Keys(FixedKeys):
            def generate_data_key(self, context: Mapping[str, str]) -> DataKey:
                faults.meet("generate")
                return super().generate_data_key(context)

            def unwrap(self, wrapped: bytes, key_uri: str, context: Mapping[str, str]) -> bytes:
                faults.meet("unwrap")
                return super().unwrap(wrapped, key_uri, context)

        name = f"faulty-keys-{next(_NUMBERS)}"
        EncryptionProviderFactory.register(name, Keys)
        self.config = EncryptionConfig(provider=name)

    def begin(self, kind: str) -> None:
        """Let it be ``slow``, ``hanging`` or ``failing``."""
        self.faults.begin(kind, KeyUnreachableError("the key service is away"))

    def clear(self) -> None:
        """End the fault."""
        self.faults.clear()


class FixedKeys(EncryptionProvider):
    """Wraps with a KEK that everybody knows, and binds the context."""

    def __init__(self, config: EncryptionConfig | None = None) -> None:  # noqa: ARG002 - the signature of the ABC
        self._kek = AESGCM(bytes(32))

    def generate_data_key(self, context: Mapping[str, str]) -> DataKey:
        plaintext, iv = os.urandom(DATA_KEY_BYTES), os.urandom(12)
        wrapped = iv + self._kek.encrypt(iv, plaintext, _bound(context))
        return DataKey(plaintext=plaintext, wrapped=wrapped, key_uri="fixed://kek")

    def unwrap(self, wrapped: bytes, key_uri: str, context: Mapping[str, str]) -> bytes:
        try:
            return self._kek.decrypt(wrapped[:12], wrapped[12:], _bound(context))
        except (InvalidTag, ValueError) as exc:
            raise KeyMismatchError(key_uri) from exc

    def check(self) -> None:
        """Nothing can be wrong."""


def _bound(context: Mapping[str, str]) -> bytes:
    return json.dumps(dict(context), sort_keys=True).encode()
