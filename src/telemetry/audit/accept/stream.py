"""Combines what makes one producer's records: numbers, tree, keys and signer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import uuid_utils

from telemetry.audit.accept.draft.event_draft import EventDraft
from telemetry.audit.producer import ProducerTree, TreeState
from telemetry.audit.record import SealedRecord
from telemetry.exceptions import EncryptionError, TelemetryError


class Sealer(Protocol):
    """Seals an event, or returns None when it has no key now."""

    def seal(self, draft: EventDraft, producer: str, sequence: int) -> SealedRecord | None:
        """Return the sealed event as a record."""


class KeyWaiters(Protocol):
    """Calls of ``log()`` that wait for a key."""

    def waiting_subjects(self) -> list[str]:
        """Return the subjects of the events that wait, in their order; empty where events have none."""

    def key_arrived(self) -> None:
        """Accept them; called in the thread that fetched the key, or in the one that requested it."""

    def key_unavailable(self, error: TelemetryError) -> None:
        """Refuse them with this error; called as :meth:`key_arrived`."""


class KeySource(Protocol):
    """Fetches data keys, and keys of subjects."""

    def request(self, waiters: KeyWaiters) -> None:
        """Fetch a key without blocking, and notify ``waiters`` of the result."""

    def missing(self) -> EncryptionError:
        """Return the error for an event that waited too long for a key."""


class Signer(Protocol):
    """Signs checkpoints of a producer's tree."""

    most_events: int

    def parts(self, state: TreeState) -> Sequence[TreeState]:
        """Return what each of the next checkpoints has to sign, up to ``state``."""

    def sign(self, part: TreeState, *, at: int, final: bool = False) -> SealedRecord:
        """Return a checkpoint of the tree as a record; ``at`` is its time in microseconds since the epoch."""


class ProducerStream:
    """One producer's stream. A pipeline has one, which the intake gets as an argument.

    Args:
        sealer: Seals the events.
        keys: Data keys of the sealer; None where events are not encrypted.
        signer: Signs the checkpoints; None where there are none, and then there is no tree either.

    Attributes:
        producer: UUIDv7 of the stream.
        next_sequence: Number of the next record; the intake changes it under its lock.
        tree: Merkle tree over the records.
        sealer: As given.
        keys: As given.
        signer: As given.
    """

    def __init__(self, sealer: Sealer, *, keys: KeySource | None = None, signer: Signer | None = None) -> None:
        self.producer = str(uuid_utils.uuid7())
        self.next_sequence = 0
        self.tree = ProducerTree(self.producer, hashed=signer is not None)
        self.sealer = sealer
        self.keys = keys
        self.signer = signer
