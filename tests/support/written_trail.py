"""Writes trails in memory as the write side leaves them on a topic: sealed, signed and placed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.format.proof.checkpoint import Checkpoint, sign_checkpoint
from telemetry.format.proof.checkpoint_message import encode_checkpoint_message
from telemetry.format.proof.key_span import KeySpan
from telemetry.format.proof.leaves import LEAVES_HEADER, IntervalLeaves
from telemetry.format.proof.merkle import Frontier, leaf_hash
from telemetry.format.proof.relayed_runs import Run
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.value import jwe
from telemetry.format.value.message import source_of
from telemetry.format.value.render import render, render_head, render_tail
from telemetry.reader.entry import Place, RawRecord
from telemetry.reader.verify.verdicts import VerificationReport
from telemetry.reader.verify.verifier import Verifier

TOPIC = "audit-events"
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LATER = START + timedelta(days=1)


class Signer:
    """An Ed25519 key; the same seed gives the same key."""

    def __init__(self, seed: int = 1, name: str = "payments") -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.name = name
        self.public = PublicKey(name, self._private.public_key().public_bytes_raw())
        self.public_key = str(self.public)

    def sign(self, text: bytes) -> bytes:
        return self._private.sign(text)


class DataKey:
    """A data key and its wrapped form; the same number gives the same key."""

    def __init__(self, number: int) -> None:
        plain = hashlib.sha256(b"data key %d" % number).digest()
        self.cipher = AESGCM(plain)
        self.wrapped = hashlib.sha256(b"wrapped %d" % number).digest() * 4
        self.key_uri = "local-key://00112233445566778899aabbccddeeff"
        kid = jwe.key_id(plain, key_uri=self.key_uri, wrapped=self.wrapped)
        self.protected = jwe.protected_header(kid)
        self.kid = kid


class Process:
    """A producer that logs to a topic.

    Args:
        number: Of the process; makes its producer id.
        signer: Signs its checkpoints; the usual signer by default.
        hashed_keys: Its Kafka keys are HMACs.
        leaves: Its checkpoints are of version 2, with the leaves of their intervals beside them.
        relays: Its records came from an outbox, as its checkpoints then say.
    """

    def __init__(
        self,
        number: int = 1,
        *,
        signer: Signer | None = None,
        service: str = "payments",
        data_key: int | None = None,
        hashed_keys: bool = False,
        leaves: bool = False,
        relays: bool = False,
    ) -> None:
        self.relays = relays
        self.producer = f"0198c0de-0000-7000-8000-{number:012x}"
        self.source = source_of("production", service)
        self.service = service
        self.signer = signer or Signer()
        self.data_key = DataKey(number if data_key is None else data_key)
        self.hashed_keys = hashed_keys
        self.tree = Frontier()
        self.clock = START
        self._leaves: list[bytes] | None = [] if leaves else None
        self._kids: list[str] = []
        self._before = Frontier()

    def log(self, user: str = "alice", *, payload: bytes = b'{"amount":1}') -> RawRecord:
        """Return the next record, not placed yet."""
        sequence = self.tree.size
        key = f"{user}:{self.service}".encode()
        if self.hashed_keys:
            key = hmac.digest(b"secret", key, "sha256").hex().encode()
        head = render_head(self.source, self.producer, key_uri=self.data_key.key_uri, wrapped_key=self.data_key.wrapped)
        event_id = f"{self.producer[:-12]}{sequence:012x}"
        tail = render_tail(event_id, time=self.time, event_type="payment")
        iv = hashlib.sha256(f"{self.producer} {sequence}".encode()).digest()[:12]
        data = jwe.seal(self.data_key.cipher, protected=self.data_key.protected, iv=iv, plaintext=payload)
        value = render(head, sequence=sequence, key=key, tail=tail, data=data, sealed=True)
        self.tree.append(leaf_hash(value))
        if self._leaves is not None:
            self._leaves.append(leaf_hash(value))
            self._kids.append(self.data_key.kid)
        self.clock += timedelta(milliseconds=5)
        return RawRecord(key, value, Place(TOPIC))

    @property
    def time(self) -> str:
        """The process's clock, RFC 3339."""
        return self.clock.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def checkpoint(self, *, final: bool = False, recovered: bool = False, signer: Signer | None = None) -> RawRecord:
        """Return a checkpoint of what was logged so far, not placed yet."""
        checkpoint = Checkpoint.of(
            self.tree, source=self.source, producer=self.producer, time=self.time, final=final, recovered=recovered
        )
        if self._leaves is None:
            return self.record_of(checkpoint, signer=signer)
        start, leaves = self._before, self._leaves
        checkpoint = replace(checkpoint, topic=TOPIC, interval=start.size, keys=_spans(self._kids, start.size))
        if self.relays and leaves:
            checkpoint = replace(checkpoint, relayed=(Run(start.size, self.tree.size - 1),))
        self._before, self._leaves, self._kids = self.tree.copy(), [], []
        self.clock += timedelta(microseconds=1)
        record = self.record_of(checkpoint, signer=signer)
        if not leaves:
            return record
        beside = IntervalLeaves(start.size, start.roots, b"".join(leaves))
        return record._replace(headers=((LEAVES_HEADER, beside.encode()),))

    def record_of(self, checkpoint: Checkpoint, *, signer: Signer | None = None) -> RawRecord:
        """Return the record of any checkpoint under this producer's name."""
        note = sign_checkpoint(checkpoint, signer or self.signer)
        value = encode_checkpoint_message(checkpoint, note, event_id=f"{self.producer[:-12]}ffffffffffff")
        return RawRecord(self.producer.encode(), value, Place(TOPIC))

    def run(self, events: int, *, every: int = 10, users: int = 3, end: bool = True) -> list[RawRecord]:
        """Return a whole life: events of some users, checkpoints in between and at the end."""
        records = []
        for number in range(events):
            records.append(self.log(f"user-{number % users}"))
            if (number + 1) % every == 0:
                records.append(self.checkpoint())
        if end:
            records.append(self.checkpoint(final=True))
        return records


def _spans(kids: list[str], start: int) -> tuple[KeySpan, ...]:
    """Return which data key sealed which records."""
    spans = []
    for kid, run in groupby(enumerate(kids, start), key=lambda numbered: numbered[1]):
        sequences = [sequence for sequence, _ in run]
        spans.append(KeySpan(kid, sequences[0], sequences[-1]))
    return tuple(spans)


def topic(records: Iterable[RawRecord], *, partitions: int = 1) -> list[RawRecord]:
    """Return the records as Kafka stores them: a partition by key, offsets in order."""
    ends = [0] * partitions
    placed = []
    for record in records:
        partition = hashlib.sha256(record.key or b"").digest()[0] % partitions
        placed.append(record._replace(place=Place(TOPIC, partition, ends[partition])))
        ends[partition] += 1
    return placed


def altered(record: RawRecord, change: Callable[[bytes], bytes]) -> RawRecord:
    """Return the record with another value at the same place."""
    if record.value is None:
        message = "there is no value to alter"
        raise ValueError(message)
    value = change(record.value)
    if value == record.value:
        message = "the change changed nothing"
        raise ValueError(message)
    return record._replace(value=value)


def verify(
    records: Iterable[RawRecord], *keys: Signer, now: datetime | None = LATER, **options: Any
) -> VerificationReport:
    """Verify the records with the public keys of some signers; that of the usual one by default."""
    verifier = Verifier([key.public for key in keys or (Signer(),)], **options)
    verifier.observe_all(records)
    return verifier.report(now=now)
