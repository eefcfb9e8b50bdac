"""Signs the tree of a producer: every so many events, every so often, and at the end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from telemetry.audit.accept.stream import ProducerStream, Signer
from telemetry.audit.producer import ProducerTree, TreeState
from telemetry.audit.record import SealedRecord
from telemetry.audit.send.checkpoints.checkpoint_signer import next_time
from telemetry.audit.spool.stream.spooled_stream import SpooledStream
from telemetry.config import AuditConfig


class Checkpointer:
    """Adds checkpoints after a batch when they are due.

    The sender calls :meth:`before_send`; the thread that shuts down calls :meth:`expect_end` once.

    Args:
        stream: The producer.
        signer: Signs its checkpoints.
        every_events: A checkpoint is due after this many events, at most as many as one may cover ...
        every_seconds: ... or after this time, if there was any event.
        heartbeat_seconds: While nothing is logged, the last size is signed again after this time; 0 for never.
        spool: The stream's part of the spool, where there is one. It then hashes the records, says up to where they may be signed, and keeps its
            file until they are settled, checkpoints included.
    """

    def __init__(
        self,
        stream: ProducerStream,
        *,
        signer: Signer,
        every_events: int,
        every_seconds: float,
        heartbeat_seconds: float = 0.0,
        spool: SpooledStream | None = None,
    ) -> None:
        self._stream = stream
        self._signer = signer
        self._most_events = signer.most_events
        self._every_events = min(every_events, self._most_events)
        self._every_seconds = every_seconds
        self._heartbeat_seconds = heartbeat_seconds
        self._spool = spool
        # Since when there are events that are not signed, and when anything was signed last.
        self._opened_at = self._signed_at = time.monotonic()
        self._has_signed = False
        self._expects_end = False

    def before_send(self, records: Sequence[SealedRecord]) -> Iterable[SealedRecord]:
        """Hash the records, unless the spool has done so, and return the checkpoints that are due."""
        tree = self._stream.tree
        if self._spool is not None:
            return self._due(tree)
        size, signed_size = tree.sizes()
        most = self._most_events
        room = max(most - (size - signed_size), 0)
        if len(records) <= room:
            tree.add(records)
            return self._due(tree)
        # In parts, so that an interval ends where a checkpoint is full, and its tree need not be computed anew.
        checkpoints: list[SealedRecord] = []
        for start in range(room - most, len(records), most):
            tree.add(records[max(start, 0) : start + most])
            checkpoints += self._due(tree)
        return checkpoints

    def _due(self, tree: ProducerTree) -> Iterable[SealedRecord]:
        size, signed_size = tree.sizes()
        now = time.monotonic()
        if self._expects_end and size == self._stream.next_sequence:
            final = self._end(tree, size)
            # Only now: one that failed is tried again.
            self._expects_end = False
            return final
        if size == signed_size:
            # From the first event on the time counts.
            self._opened_at = now
            is_due = 0 < self._heartbeat_seconds <= now - self._signed_at
            return self._sign(self._parts(tree, and_last=True)) if is_due else ()
        is_late = now - self._opened_at >= self._every_seconds
        if not is_late and size - signed_size < self._every_events:
            return ()
        return self._sign(self._parts(tree, and_last=is_late))

    def expect_end(self) -> None:
        """Sign the final checkpoint as soon as the tree has every accepted event; no more are accepted."""
        self._expects_end = True

    def _end(self, tree: ProducerTree, size: int) -> Iterable[SealedRecord]:
        # A stream without events and without heartbeats has no checkpoint: there would be nothing to verify.
        return self._sign(self._parts(tree, and_last=True), final=True) if size or self._has_signed else ()

    def _parts(self, tree: ProducerTree, *, and_last: bool) -> Sequence[TreeState]:
        """Return what is to be signed now, in order.

        Args:
            tree: The tree.
            and_last: Whether the last part is to be signed also if it is small and comes after others.
        """
        state = tree.unsigned()
        parts = list(self._signer.parts(state)) if state is not None else []
        if len(parts) > 1 and not and_last and parts[-1].size - parts[-2].size < self._every_events:
            del parts[-1]
        return parts

    def _sign(self, parts: Sequence[TreeState], *, final: bool = False) -> list[SealedRecord]:
        if not parts:
            return []
        checkpoints, at = [], parts[0].signed_at
        for part in parts:
            at = next_time(at)
            checkpoints.append(self._signer.sign(part, at=at, final=final and part is parts[-1]))
        # Only now: if a step above fails, everything is signed later.
        self._stream.tree.note_signed(parts[-1], at)
        if self._spool is not None:
            for checkpoint in checkpoints:
                self._spool.keep_open_for(checkpoint)
        self._opened_at = self._signed_at = time.monotonic()
        self._has_signed = True
        return checkpoints


def checkpointer_of(
    config: AuditConfig, stream: ProducerStream, *, signer: Signer | None, spool: SpooledStream | None
) -> Checkpointer | None:
    """Return what signs a stream as the configuration says; None where nothing is signed.

    Args:
        config: The configuration.
        stream: The producer.
        signer: Signs its checkpoints; None where there is no signing key.
        spool: The stream's part of the spool, where there is one.
    """
    signing = config.signing_config
    if signer is None or signing is None:
        return None
    return Checkpointer(
        stream,
        signer=signer,
        every_events=signing.every_events,
        every_seconds=signing.every_seconds,
        heartbeat_seconds=config.checkpoint_heartbeat_seconds,
        spool=spool,
    )
