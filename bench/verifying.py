"""Verify a made-up trail of any length in one process: events a second of CPU time, and the memory at its peak.

A second process makes the trail while it is read, in the form that the write side gives it, so that only the verifier
is measured. ``python -m bench.verifying --events 10000000``; docs/verification.md has the results.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import BinaryIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from telemetry.format import canonical_base64
from telemetry.format.proof.checkpoint import Checkpoint, sign_checkpoint
from telemetry.format.proof.checkpoint_message import encode_checkpoint_message
from telemetry.format.proof.merkle import Frontier, leaf_hash
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.value import jwe
from telemetry.format.value.render import key_hash, render_head, render_middle
from telemetry.reader.entry import Place, RawRecord
from telemetry.reader.verify import Verifier

PARTITIONS = 8
EVERY = 1_000
CHUNK = 500
USERS = 50_000
START = datetime(2026, 1, 2, tzinfo=UTC)
_TEXT = canonical_base64.encode_url(random.Random(1).randbytes(3 << 18))  # noqa: S311 - in place of ciphertext
MIB = 1024

# How many records of each partition are read in one turn, and how many of a hundred users have their events there.
ORDERS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "side by side": ((CHUNK,) * PARTITIONS, (12, 13, 12, 13, 12, 13, 12, 13)),
    "one partition has most": ((CHUNK,) * PARTITIONS, (65, 5, 5, 5, 5, 5, 5, 5)),
    "one after the other": ((1 << 60,) * PARTITIONS, (12, 13, 12, 13, 12, 13, 12, 13)),
}


class Signer:
    """An Ed25519 key of this measurement."""

    name = "bench"

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes(32))
        self.public = PublicKey(self.name, self._private.public_key().public_bytes_raw())
        self.public_key = str(self.public)

    def sign(self, text: bytes) -> bytes:
        """Return the signature."""
        return self._private.sign(text)


class Stream:
    """One producer's records; any of them can be made at any time."""

    def __init__(self, number: int, events: int) -> None:
        self.events = events
        self.producer = f"0198c0de-0000-7000-8000-{number:012x}"
        self._source = "/production/payments"
        wrapped = hashlib.sha256(b"%d" % number).digest() * 4
        self._head = render_head(self._source, self.producer, key_uri="local-key://" + "0" * 32, wrapped_key=wrapped)
        kid = jwe.key_id(bytes(32), key_uri="local-key://" + "0" * 32, wrapped=wrapped)
        protected = jwe.protected_header(kid)
        self._data = b',"time":"2026-01-02T03:04:05.000000Z","type":"order_read","data":"%b..' % protected
        self._shares: list[int] = []

    def key(self, sequence: int) -> bytes:
        """Return the Kafka key of a record: a user keeps to one partition."""
        return b"user-%d:payments" % (sequence * 37 % 100 + sequence % (USERS // 100) * 100)

    def value(self, sequence: int) -> bytes:
        """Return the value of a record."""
        start = sequence * 389 % (len(_TEXT) - 416)
        sealed = b"%b.%b.%b" % (_TEXT[start : start + 16], _TEXT[start + 16 : start + 416], b"A" * 22)
        tail = b',"id":"0198c0de-0000-7000-8000-%012x"%b%b"}' % (sequence, self._data, sealed)
        return self._head + render_middle(sequence, hashed=key_hash(self.key(sequence)), tail=tail)

    def checkpoints(self) -> Iterator[bytes]:
        """Yield the values of all checkpoints."""
        tree, signer = Frontier(), Signer()
        for sequence in range(self.events):
            tree.append(leaf_hash(self.value(sequence)))
            if tree.size % EVERY == 0 or tree.size == self.events:
                moment = (START + timedelta(milliseconds=sequence)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                signed = Checkpoint.of(
                    tree, source=self._source, producer=self.producer, time=moment, final=tree.size == self.events
                )
                event_id = f"0198c0de-0000-7000-8000-{sequence:012x}"
                yield encode_checkpoint_message(signed, sign_checkpoint(signed, signer), event_id=event_id)


def generate(streams: int, events: int, order: str, out: BinaryIO) -> None:
    """Write the records of a topic in the order in which a consumer gets them."""
    turns, shares = ORDERS[order]
    home = [partition for partition, share in enumerate(shares) for _ in range(share)]
    made = [Stream(number, events // streams) for number in range(streams)]
    notes = [list(stream.checkpoints()) for stream in made]
    readers = [_partition(made, notes, home, partition) for partition in range(PARTITIONS)]
    while readers:
        for reader, turn in zip(list(readers), turns, strict=False):
            for count, record in enumerate(reader, start=1):
                out.write(record)
                if count == turn:
                    break
            else:
                readers.remove(reader)
    out.flush()


def _partition(made: list[Stream], notes: list[list[bytes]], home: list[int], partition: int) -> Iterator[bytes]:
    offset = 0
    for number, stream in enumerate(made):
        for sequence in range(stream.events):
            if home[sequence * 37 % 100] == partition:
                yield _frame(partition, offset, stream.key(sequence), stream.value(sequence))
                offset += 1
            is_signed = (sequence + 1) % EVERY == 0 or sequence + 1 == stream.events
            if is_signed and partition == number % PARTITIONS:
                yield _frame(partition, offset, stream.producer.encode(), notes[number][sequence // EVERY])
                offset += 1


def _frame(partition: int, offset: int, key: bytes, value: bytes) -> bytes:
    return struct.pack("<BQHI", partition, offset, len(key), len(value)) + key + value


def records(stream: BinaryIO) -> Iterator[RawRecord]:
    """Yield what :func:`generate` wrote."""
    size = struct.calcsize("<BQHI")
    while header := stream.read(size):
        partition, offset, key_size, value_size = struct.unpack("<BQHI", header)
        body = stream.read(key_size + value_size)
        yield RawRecord(body[:key_size], body[key_size:], Place("audit-events", partition, offset))


def measure(streams: int, events: int, order: str) -> dict[str, object]:
    """Verify a trail; return what was found and what it took."""
    command = [sys.executable, "-m", "bench.verifying", "--generate", "--order", order]
    command += ["--events", str(events), "--producers", str(streams)]
    verifier, before = Verifier([Signer().public]), _peak_mib()
    with subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=1 << 20) as maker:
        seconds = _observe(verifier.observe, records(maker.stdout)) if maker.stdout else 0.0
    report = verifier.report()
    return {
        "order": order,
        "producers": streams,
        "records": report.records,
        "verdict": str(report.verdict),
        "proven": report.total("proven"),
        "events_per_cpu_second": round(report.records / seconds),
        "peak_mib": _peak_mib(),
        "before_mib": before,
    }


def _observe(observe: Callable[[RawRecord], None], trail: Iterator[RawRecord]) -> float:
    """Hand over the records in chunks; return the seconds of CPU that the verifier took, without taking them in."""
    spent, chunk = 0.0, []
    while True:
        chunk = list(islice(trail, 10_000))
        if not chunk:
            return spent
        began = time.process_time()
        for record in chunk:
            observe(record)
        spent += time.process_time() - began


def _peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // MIB


def main() -> int:
    """Measure each order; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.verifying", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--producers", type=int, default=1)
    parser.add_argument("--order", choices=sorted(ORDERS), default="side by side")
    parser.add_argument("--generate", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.generate:
        generate(chosen.producers, chosen.events, chosen.order, sys.stdout.buffer)
        return 0
    found = measure(chosen.producers, chosen.events, chosen.order)
    print(json.dumps(found))
    return 0 if found["verdict"] == "complete" and found["proven"] == chosen.events else 1


if __name__ == "__main__":
    raise SystemExit(main())
