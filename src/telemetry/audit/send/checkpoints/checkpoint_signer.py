"""Creates signed checkpoints as records."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import uuid_utils

from telemetry.audit.producer import TreeState, intervals
from telemetry.audit.record import SealedRecord
from telemetry.config import AuditConfig, SigningConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.exceptions import FormatError
from telemetry.format.proof.checkpoint import Checkpoint, sign_checkpoint
from telemetry.format.proof.checkpoint_message import encode_checkpoint_message
from telemetry.format.proof.leaves import MAX_LEAVES, IntervalLeaves
from telemetry.format.proof.merkle import Frontier
from telemetry.format.value.message import MAX_SEQUENCE
from telemetry.system.clock import rfc3339

logger = logging.getLogger("telemetry.audit")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class CheckpointSigner:
    """Signs the trees of a service's producers.

    Args:
        config: Which key signs.
        source: CloudEvents source of the producer's events.
        topic: Kafka topic that the checkpoints name; None to write version 1, which names none and has no leaves.

    Raises:
        ConfigurationError: The signing key cannot be used.

    Attributes:
        most_events: So many events may be since the checkpoint before.
    """

    def __init__(self, config: SigningConfig, *, source: str, topic: str | None = None) -> None:
        self._key = SigningKey.load(config.key_path, config.passphrase)
        self._source = source
        self._topic = topic
        self.most_events = MAX_SEQUENCE if topic is None else MAX_LEAVES

    @property
    def key(self) -> SigningKey:
        """The signing key."""
        return self._key

    def parts(self, state: TreeState) -> Sequence[TreeState]:
        """Return what each of the next checkpoints has to sign, up to ``state``."""
        return [state] if self._topic is None else list(intervals(state))

    def sign(self, part: TreeState, *, at: int, final: bool = False, source: str | None = None) -> SealedRecord:
        """Return a checkpoint of a tree of this process.

        Args:
            part: From :meth:`parts`.
            at: Time of the checkpoint in microseconds since the epoch.
            final: Whether the stream ends here.
            source: CloudEvents source of the stream; default: the process's own.
        """
        return self._record(part, self._checkpoint(part, source=source or self._source, at=at, final=final))

    def sign_recovered(self, state: TreeState, *, source: str, old_copy: int | None = None) -> list[SealedRecord]:
        """Return the last checkpoints of a dead process's tree; the last of them closes it.

        What the process left beside its tree is checked: leaves that do not lead to the tree are left out.

        Args:
            state: The tree.
            source: CloudEvents source of the stream.
            old_copy: Records of a copy of its segment that is older than the tree; None where the segment is no copy.
        """
        state, at, records = _credible(state), state.signed_at, []
        for part in self.parts(state):
            at = next_time(at)
            is_last = part.size == state.size
            checkpoint = self._checkpoint(part, source=source, at=at, recovered=is_last)
            if is_last and self._topic is not None:
                checkpoint = replace(checkpoint, old_copy=old_copy)
            records.append(self._record(part, checkpoint))
        return records

    def _checkpoint(
        self, part: TreeState, *, source: str, at: int, final: bool = False, recovered: bool = False
    ) -> Checkpoint:
        has_interval = self._topic is not None and part.has_interval
        return Checkpoint.of(
            Frontier.from_bytes(part.frontier),
            source=source,
            producer=part.producer,
            time=rfc3339(_EPOCH + timedelta(microseconds=at), timespec="microseconds"),
            final=final,
            recovered=recovered,
            topic=self._topic,
            interval=part.signed_size if has_interval else None,
            keys=part.keys if has_interval else (),
            relayed=part.relayed if has_interval else (),
            # A stream of another service is one that this process carries, or one that a dead process of it carried.
            via=self._source if source != self._source and self._topic is not None else None,
        )

    def _record(self, part: TreeState, checkpoint: Checkpoint) -> SealedRecord:
        event_id = str(uuid_utils.uuid7())
        value = encode_checkpoint_message(checkpoint, sign_checkpoint(checkpoint, self._key), event_id=event_id)
        # A checkpoint of no new records, such as a heartbeat, has an interval without leaves.
        has_leaves = checkpoint.interval is not None and bool(part.leaves)
        return SealedRecord.written(
            event_id,
            producer=part.producer,
            sequence=None,
            key=part.producer.encode(),
            value=value,
            leaves=_leaves_of(part).encode() if has_leaves else b"",
        )


def signer_of(config: AuditConfig, *, source: str) -> CheckpointSigner | None:
    """Return the signer of a pipeline; None where nothing is signed.

    Raises:
        ConfigurationError: The signing key cannot be used.
    """
    if config.signing_config is None:
        return None
    topic = None if config.checkpoint_format == 1 else config.kafka_topic
    return CheckpointSigner(config.signing_config, source=source, topic=topic)


def next_time(last: int) -> int:
    """Return the time of the next checkpoint in microseconds: now, and after the last one if the clock went back."""
    return max(last + 1, time.time_ns() // 1_000)


def _leaves_of(part: TreeState) -> IntervalLeaves:
    before = Frontier.from_bytes(part.signed_frontier)
    return IntervalLeaves(before.size, before.roots, part.leaves)


def _credible(state: TreeState) -> TreeState:
    """Return a dead process's state; without its leaves, if they do not make its tree."""
    if state.has_interval and _leads_to_tree(state):
        return state
    if state.signed_size is not None:
        logger.warning(
            "the leaf hashes that producer %s left are incomplete; its last checkpoint has none", state.producer
        )
    return TreeState(state.producer, state.size, state.frontier, signed_at=state.signed_at)


def _leads_to_tree(state: TreeState) -> bool:
    try:
        tree = Frontier.from_bytes(state.signed_frontier)
        if tree.size != state.signed_size:
            return False
        tree.extend_packed(state.leaves)
    except FormatError:
        return False
    return tree.to_bytes() == state.frontier
