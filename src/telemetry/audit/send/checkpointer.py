"""Signs the tree of a producer: every so many events, every so often, and at the end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import uuid_utils

from telemetry.audit.accept.stream import ProducerStream, Signer
from telemetry.audit.producer import TreeState
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.spool import Spool
from telemetry.config import SigningConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.format.proof.checkpoint import Checkpoint, sign_checkpoint
from telemetry.format.proof.checkpoint_message import encode_checkpoint_message
from telemetry.format.proof.merkle import Frontier


class CheckpointSigner:
    """Creates signed checkpoints as records.

    Args:
        config: Which key signs.
        source: CloudEvents source of the producer's events.

    Raises:
        ConfigurationError: The signing key cannot be used.
    """

    def __init__(self, config: SigningConfig, *, source: str) -> None:
        self._key = SigningKey.load(config.key_path, config.passphrase)
        self._source = source

    def sign(self, state: TreeState, *, final: bool = False) -> SealedRecord:
        """Return a checkpoint of this process's tree."""
        return self._record(state, source=self._source, final=final)

    def sign_recovered(self, state: TreeState, *, source: str) -> SealedRecord:
        """Return the closing checkpoint of a dead process's tree."""
        return self._record(state, source=source, recovered=True)

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


class Checkpointer:
    """Adds a checkpoint after a batch when one is due.

    The sender calls :meth:`before_send`; the thread that shuts down calls :meth:`expect_end` once.

    Args:
        stream: The producer.
        signer: Signs its checkpoints.
        every_events: A checkpoint is due after this many events ...
        every_seconds: ... or after this time, if there was any event.
        spool: The spool, where there is one. It then hashes the records, and keeps its file until they are settled,
            checkpoints included.
    """

    def __init__(
        self,
        stream: ProducerStream,
        *,
        signer: Signer,
        every_events: int,
        every_seconds: float,
        spool: Spool | None = None,
    ) -> None:
        self._stream = stream
        self._signer = signer
        self._every_events = every_events
        self._every_seconds = every_seconds
        self._spool = spool
        self._signed_size = 0
        self._signed_at = time.monotonic()
        self._expects_end = False

    def before_send(self, records: Sequence[SealedRecord]) -> Iterable[SealedRecord]:
        """Hash the records, unless the spool has done so, and return a checkpoint if one is due."""
        tree = self._stream.tree
        state = tree.absorb(records) if self._spool is None else tree.state()
        checkpoint = self._due(state) if state is not None else None
        if checkpoint is None:
            return ()
        if self._spool is not None:
            self._spool.keep_open_for(checkpoint)
        return (checkpoint,)

    def expect_end(self) -> None:
        """Sign the final checkpoint as soon as the tree has every accepted event; no more are accepted."""
        self._expects_end = True

    def _due(self, state: TreeState) -> SealedRecord | None:
        if self._expects_end and state.size == self._stream.next_sequence:
            self._expects_end = False
            # A stream without events has no checkpoint: there would be nothing to verify.
            return self._sign(state, final=True) if state.size else None
        unsigned = state.size - self._signed_size
        if unsigned <= 0:
            self._signed_at = time.monotonic()
            return None
        if unsigned < self._every_events and time.monotonic() - self._signed_at < self._every_seconds:
            return None
        return self._sign(state, final=False)

    def _sign(self, state: TreeState, *, final: bool) -> SealedRecord:
        self._signed_size, self._signed_at = state.size, time.monotonic()
        return self._signer.sign(state, final=final)
