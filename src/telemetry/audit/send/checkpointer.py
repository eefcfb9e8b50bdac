"""Signs what the process has logged so far: every so many events, every so often, and at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import uuid_utils

from telemetry.audit.producer import TreeState
from telemetry.audit.record import SealedRecord
from telemetry.config import SigningConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.format.proof.checkpoint import Checkpoint, encode_checkpoint_message, sign_checkpoint
from telemetry.format.proof.merkle import Frontier


class Checkpointer:
    """Makes checkpoint records of a producer's tree.

    Args:
        config: Which key signs, and how often.
        source: CloudEvents source of the producer's events.
        clock: Monotonic seconds.

    Raises:
        ConfigurationError: The signing key cannot be used.
    """

    def __init__(
        self,
        config: SigningConfig,
        *,
        source: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key = SigningKey.load(config.key_path, config.passphrase)
        self._every_events = config.every_events
        self._every_seconds = config.every_seconds
        self._source = source
        self._clock = clock
        self._signed_size = 0
        self._signed_at = clock()

    def due(self, state: TreeState) -> SealedRecord | None:
        """Return a checkpoint of the tree if one is due."""
        fresh = state.size - self._signed_size
        if fresh <= 0:
            self._signed_at = self._clock()
            return None
        if fresh < self._every_events and self._clock() - self._signed_at < self._every_seconds:
            return None
        return self.sign(state)

    def final(self, state: TreeState) -> SealedRecord | None:
        """Return the last checkpoint of the stream, if it has any events."""
        return self.sign(state, final=True) if state.size else None

    def closing(self, state: TreeState, *, source: str) -> SealedRecord | None:
        """Return the closing checkpoint of a dead process's stream."""
        return self._record(state, source=source, recovered=True) if state.size else None

    def sign(self, state: TreeState, *, final: bool = False) -> SealedRecord:
        """Return a checkpoint of the tree as a record."""
        self._signed_size, self._signed_at = state.size, self._clock()
        return self._record(state, source=self._source, final=final)

    def _record(self, state: TreeState, *, source: str, final: bool = False, recovered: bool = False) -> SealedRecord:
        checkpoint = Checkpoint.of(
            Frontier.from_bytes(state.frontier),
            source=source,
            producer=state.producer,
            time=datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            final=final,
            recovered=recovered,
        )
        event_id = str(uuid_utils.uuid7())
        value = encode_checkpoint_message(checkpoint, sign_checkpoint(checkpoint, self._key), event_id=event_id)
        return SealedRecord.written(
            event_id, producer=state.producer, sequence=None, key=state.producer.encode(), value=value
        )
