"""Writes what an attacker can write: streams, checkpoints, spool segments and objects, without the library's write side.

The formats are spelled out here instead of called, because an attacker does not ask the code that defends. A mend that
changes a format changes this module in one place; the tests keep what they assert.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import uuid
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Producer
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from telemetry.encryption import EncryptionProvider
from telemetry.format import canonical_base64
from telemetry.format.proof.checkpoint import Checkpoint
from telemetry.format.proof.checkpoint_message import encode_checkpoint_message
from telemetry.format.proof.merkle import Frontier, leaf_hash
from telemetry.format.proof.signed_note import Signer as NoteSigner
from telemetry.format.proof.signed_note import sign_note
from telemetry.format.value import jwe
from telemetry.format.value.event import AuditEvent
from telemetry.format.value.message import context_of, source_of
from telemetry.format.value.render import render, render_head, tail_of
from telemetry.reader.entry import Place, RawRecord
from tests.support.written_trail import DataKey, Signer

TOPIC = "audit-events"
LEAVES_HEADER = "telemetry-leaves"
SPOOL_TABLES = ("batch_a", "batch_b")
STRANGER_UID = 2_001
"""Another local user, where the tests may give files away."""


class SealingKey:
    """A data key of the real key service, for the context of any source: what a service with seal rights has.

    Args:
        provider: The key service.
        source: Source whose context the data key is bound to.
    """

    def __init__(self, provider: EncryptionProvider, source: str) -> None:
        key = provider.generate_data_key(context_of(source))
        self.cipher = AESGCM(key.plaintext)
        self.wrapped = key.wrapped
        self.key_uri = key.key_uri
        self.protected = jwe.protected_header(jwe.key_id(key.plaintext, key_uri=key.key_uri, wrapped=key.wrapped))


class Writer:
    """A producer's stream, honest or forged; every part of it is for the test to choose.

    Args:
        number: Makes the producer id, unless one is given.
        producer: Producer id that it claims.
        service: Service in whose name it logs.
        environment: Environment in whose name it logs.
        signer: Signs its checkpoints; the usual signer of ``written_trail`` by default.
        key: Seals its events: a ``SealingKey`` of the real key service, or a ``DataKey`` that nobody can unwrap.
        is_sealed: Whether it seals its events; if not, it needs no key.
        first: Its first sequence.
        topic: Topic that its checkpoints name; None for checkpoints of the former format.
        clock: Time of its first event; a minute ago by default.
        via: Source of the gateway that its checkpoints name; None for none.
    """

    def __init__(
        self,
        number: int = 1,
        *,
        producer: str | None = None,
        service: str = "payments",
        environment: str = "production",
        signer: NoteSigner | None = None,
        key: SealingKey | DataKey | None = None,
        is_sealed: bool = True,
        first: int = 0,
        topic: str | None = TOPIC,
        clock: datetime | None = None,
        via: str | None = None,
    ) -> None:
        self.producer = producer or f"0198c0de-0000-7000-8000-{number:012x}"
        self.service, self.environment = service, environment
        self.source = source_of(environment, service)
        self.signer: NoteSigner = signer or Signer()
        self.key = (key or DataKey(number)) if is_sealed else None
        self.sequence = first
        self.topic, self.via = topic, via
        self.clock = clock or datetime.now(UTC) - timedelta(minutes=1)
        self.tree = Frontier()
        self._interval = Frontier()
        self._leaves: list[bytes] = []

    @property
    def time(self) -> str:
        """Its clock, RFC 3339."""
        return self.clock.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def event(self, event_type: str = "payment", *, user: str = "alice", time: str | None = None) -> RawRecord:
        """Return the next event's record, not placed yet."""
        event = AuditEvent(
            id=str(uuid.UUID(int=(uuid.UUID(self.producer).int & ~0xFFFFFFFF) | self.sequence)),
            time=time or self.time,
            event_type=event_type,
            user_id=user,
            payload={"amount": self.sequence},
            service_name=self.service,
            environment=self.environment,
            producer=self.producer,
            sequence=self.sequence,
            schema_version=1,
        )
        text, key = msgspec.json.encode(event), self.key
        if key is None:
            data = text
        else:
            iv = hashlib.sha256(f"{self.producer} {self.sequence} {event_type}".encode()).digest()[: jwe.IV_BYTES]
            data = jwe.seal(key.cipher, protected=key.protected, iv=iv, plaintext=text)
        head = render_head(
            self.source,
            self.producer,
            key_uri=key.key_uri if key else None,
            wrapped_key=key.wrapped if key else None,
        )
        kafka_key = event.key.encode()
        value = render(
            head, sequence=self.sequence, key=kafka_key, tail=tail_of(event), data=data, sealed=key is not None
        )
        self.tree.append(leaf_hash(value))
        self._leaves.append(leaf_hash(value))
        self.sequence += 1
        self.clock += timedelta(milliseconds=1)
        return RawRecord(kafka_key, value, Place(TOPIC))

    def checkpoint(
        self, *, final: bool = False, recovered: bool = False, signer: NoteSigner | None = None, time: str | None = None
    ) -> RawRecord:
        """Return a signed checkpoint of what was logged so far, with the leaves of its interval beside the note."""
        self.clock += timedelta(milliseconds=1)
        made = Checkpoint.of(
            self.tree,
            source=self.source,
            producer=self.producer,
            time=time or self.time,
            final=final,
            recovered=recovered,
        )
        note = sign_note(self._text(made), signer or self.signer)
        value = encode_checkpoint_message(made, note, event_id=str(uuid.UUID(self.producer)))
        return RawRecord(self.producer.encode(), value, Place(TOPIC), headers=self._end_of_interval())

    def run(self, events: int, *, every: int = 10, end: bool = True, users: int = 3) -> list[RawRecord]:
        """Return a life: events of some users, checkpoints in between and a final one."""
        records = []
        for number in range(events):
            records.append(self.event(user=f"user-{number % users}"))
            if (number + 1) % every == 0:
                records.append(self.checkpoint())
        if end:
            records.append(self.checkpoint(final=True))
        return records

    def _text(self, checkpoint: Checkpoint) -> str:
        lines = [
            checkpoint.origin,
            str(checkpoint.size),
            canonical_base64.encode(checkpoint.root),
            f"time {checkpoint.time}",
        ]
        lines += ["final"] if checkpoint.final else []
        lines += ["recovered"] if checkpoint.recovered else []
        lines.append(f"frontier {canonical_base64.encode(b''.join(checkpoint.frontier or ()))}".rstrip())
        if self.topic is not None:
            lines += [f"topic {self.topic}", f"interval {self._interval.size}"]
            if self.key is not None and self._leaves:
                kid = msgspec.json.decode(canonical_base64.decode_url(self.key.protected))["kid"]
                lines.append(f"key {kid} {self._interval.size} {self.tree.size - 1}")
        lines += [f"via {self.via}"] if self.via is not None else []
        return "\n".join(lines) + "\n"

    def _end_of_interval(self) -> tuple[tuple[str, bytes], ...]:
        start, leaves = self._interval, self._leaves
        self._interval, self._leaves = Frontier.from_bytes(self.tree.to_bytes()), []
        if self.topic is None or not leaves:
            return ()
        content = b"\x01" + start.size.to_bytes(8, "big") + b"".join(start.roots) + b"".join(leaves)
        return ((LEAVES_HEADER, content),)


def rival(record: RawRecord, number: int) -> RawRecord:
    """Return another record in the place of a sealed event: its attributes, and a ciphertext that opens under no key."""
    value = record.value or b""
    head, _, sealed = value.rpartition(b',"data":"')
    protected = sealed.partition(b".")[0]
    junk = hashlib.sha256(b"rival %d" % number).hexdigest().encode()
    return record._replace(
        value=b'%b,"data":"%b..%b.%b.%b"}' % (head, protected, junk[:16], junk[:48], b"A" * 22), headers=()
    )


def produce(brokers: str, records: Sequence[RawRecord], *, topic: str = TOPIC, **options: Any) -> None:
    """Write records to a topic as anyone with the right to write can; each partition keeps their order.

    Args:
        brokers: Where Kafka is.
        records: The records; one with a place keeps its partition.
        topic: The topic.
        options: Further settings of the client.
    """
    producer = Producer({"bootstrap.servers": brokers, **options})
    for record in records:
        # -1 leaves the choice to the client: by key.
        partition = -1 if record.place.partition is None else record.place.partition
        producer.produce(topic, record.value, record.key, partition=partition, headers=list(record.headers))
        producer.poll(0)
    left = producer.flush(60)
    if left:
        message = f"{left} records were not delivered"
        raise TimeoutError(message)


def plant_segment(folder: Path, records: Sequence[RawRecord], writer: Writer, *, mode: int = 0o600) -> Path:
    """Plant a spool segment of format 3, which has checksums and no key, for the stream of a writer.

    Args:
        folder: The victim's spool folder.
        records: Events of the writer.
        writer: Its tree is written as the one that was committed with them.
        mode: Mode of the file; with 0666 it also gets another owner, where the test may give files away.
    """
    path = folder / f"{writer.producer}.spool"
    with sqlite3.connect(path) as connection:
        begin_as_a_segment(connection)
        for table in SPOOL_TABLES:
            connection.execute(f"CREATE TABLE {table} (first INTEGER PRIMARY KEY, records BLOB NOT NULL, crc INTEGER)")
        plant_identity(connection, writer)
        pack = spool_pack(records, writer)
        connection.execute("INSERT INTO batch_a VALUES (0, ?, ?)", (pack, zlib.crc32(pack)))
    connection.close()
    path.chmod(mode)
    if mode & 0o022:
        give_away(path)
    return path


def begin_as_a_segment(connection: sqlite3.Connection) -> None:
    """Give a database the page size and the log of a spool segment."""
    connection.execute("PRAGMA page_size = 32768")
    connection.execute("PRAGMA journal_mode = WAL")


def plant_identity(connection: sqlite3.Connection, writer: Writer) -> None:
    """Write the part of a spool segment that says whose it is."""
    about = msgspec.msgpack.encode([3, writer.producer, TOPIC, writer.source])
    connection.execute("CREATE TABLE note (name TEXT PRIMARY KEY, content BLOB NOT NULL, crc INTEGER) WITHOUT ROWID")
    connection.execute("INSERT INTO note VALUES ('about', ?, ?)", (about, zlib.crc32(about)))


def spool_pack(records: Sequence[RawRecord], writer: Writer) -> bytes:
    """Return events as a row of a spool segment has them, with the writer's tree."""
    progress = [1, 0, writer.tree.size, writer.tree.to_bytes()]
    rows = [[number, str(uuid.uuid4()), record.key, record.value] for number, record in enumerate(records)]
    return msgspec.msgpack.encode([progress, rows, b"", b"", []])


def give_away(path: Path) -> None:
    """Give a file or folder to another user, if this process may do that."""
    if hasattr(os, "chown") and os.geteuid() == 0:
        os.chown(path, STRANGER_UID, STRANGER_UID)


def trust_file(path: Path, *keys: Mapping[str, Any]) -> tuple[str, str]:
    """Write a trust file and return the options that name it.

    Args:
        path: The file.
        keys: One table for each key; ``public``, ``roles`` and ``sources`` are required, times are TOML texts.
    """
    lines = ["version = 1"]
    for key in keys:
        lines.append("\n[[key]]")
        lines += [f"{name} = {msgspec.json.encode(value).decode()}" for name, value in key.items() if "_" not in name]
        lines += [f"{name} = {value}" for name, value in key.items() if "_" in name]
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    return "--trust", str(path)
