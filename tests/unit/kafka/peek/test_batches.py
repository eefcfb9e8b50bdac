"""Headers of batches are seen without unpacking them, and where a batch ends is found from the broker's index."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from telemetry.kafka.peek.batch_header import BatchHeader, Codec, parse_batch_header
from telemetry.kafka.peek.batches import BatchPeek
from telemetry.kafka.peek.connection import PeekError
from telemetry.testing import EmbeddedKafka
from tests.support.batches import clear_config, write_batch

COUNTS = (1, 1, 7, 500, 2, 1_000, 1)
CODECS = ("none", "gzip", "snappy", "lz4", "zstd", "zstd", "none")


class Leader:
    """One broker leads every partition."""

    def __init__(self, brokers: str) -> None:
        host, _, port = brokers.rpartition(":")
        self.address = host, int(port)
        self.forgotten = 0

    def leader(self, partition: int) -> tuple[str, int]:
        del partition
        return self.address

    def forget(self) -> None:
        self.forgotten += 1


@pytest.fixture(scope="module")
def brokers() -> Iterator[str]:
    with EmbeddedKafka(topic="events", partitions=2) as kafka:
        for count, codec in zip(COUNTS, CODECS, strict=True):
            write_batch(kafka.bootstrap_servers, "events", [b"x" * 50] * count, codec=codec)
        yield kafka.bootstrap_servers


@pytest.fixture
def peek(brokers: str) -> Iterator[BatchPeek]:
    with BatchPeek(clear_config(brokers), "events", leaders=Leader(brokers), timeout=30.0) as peek:
        yield peek


def test_every_batch_is_found_with_its_end(peek: BatchPeek) -> None:
    found, offset = [], 0
    while (batch := peek.at(0, offset)) is not None:
        end = peek.end_of(0, offset, limit=10_000)
        found.append((batch.base, end - offset, str(batch.codec)))
        offset = end

    starts = [sum(COUNTS[:number]) for number in range(len(COUNTS))]
    assert found == list(zip(starts, COUNTS, CODECS, strict=True))


def test_middle_of_a_batch_is_in_it(peek: BatchPeek) -> None:
    batch = peek.at(0, 300)

    assert batch is not None
    assert batch.base == 9
    assert peek.end_of(0, 300, limit=10_000) == 509
    assert peek.end_of(0, 300, limit=400) == 400


def test_nothing_is_at_the_end_or_after_it(peek: BatchPeek) -> None:
    assert peek.at(0, sum(COUNTS)) is None
    assert peek.at(0, sum(COUNTS) + 100) is None
    assert peek.at(1, 0) is None


def test_absent_broker_is_a_peek_error(brokers: str) -> None:
    leader = Leader(brokers)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        leader.address = taken.getsockname()
    with (
        BatchPeek(clear_config(brokers), "events", leaders=leader, timeout=1.0) as peek,
        pytest.raises(PeekError, match=r"127\.0\.0\.1"),
    ):
        peek.at(0, 0)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\x08\0\0\0\x01\0\0\0\0"])
def test_other_protocol_is_a_peek_error(brokers: str, answer: bytes) -> None:

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1_000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        leader = Leader(brokers)
        leader.address = server.getsockname()
        with BatchPeek(clear_config(brokers), "events", leaders=leader, timeout=10.0) as peek, pytest.raises(PeekError):
            peek.at(0, 0)
        thread.join(20)


@pytest.mark.parametrize("length", range(62))
def test_short_or_foreign_bytes_are_no_batch(length: int) -> None:
    found = parse_batch_header(b"\xff" * length)
    assert found is None or found.codec is Codec.UNKNOWN


def test_header_of_a_former_message_set() -> None:
    data = (41).to_bytes(8, "big") + (100).to_bytes(4, "big") + b"\0\0\0\0" + b"\x01\x02" + b"\0" * 50
    assert parse_batch_header(data) == BatchHeader(41, 112, Codec.SNAPPY)
