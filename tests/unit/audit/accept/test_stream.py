"""Creates the stream of one producer."""

from __future__ import annotations

from telemetry.audit.accept.encryptor import ClearEncoder
from telemetry.audit.accept.stream import ProducerStream
from telemetry.audit.producer import TreeState
from telemetry.audit.record import SealedRecord
from telemetry.format.uuid7 import is_uuid
from telemetry.format.value.message import source_of
from tests.support.leftovers import records


class NoSigner:
    """Signs nothing; that a stream has a signer is what counts."""

    most_events = 10

    def parts(self, state: TreeState) -> list[TreeState]:
        raise AssertionError(state)

    def sign(self, part: TreeState, *, at: int, final: bool = False) -> SealedRecord:
        raise AssertionError(part, at, final)


def _encoder() -> ClearEncoder:
    return ClearEncoder(source=source_of("production", "shop"))


def test_each_stream_is_a_new_producer() -> None:
    first, second = ProducerStream(_encoder()), ProducerStream(_encoder())

    assert is_uuid(first.producer)
    assert first.producer != second.producer
    assert (first.next_sequence, second.next_sequence) == (0, 0)
    assert first.tree.producer == first.producer


def test_stream_without_signer_keeps_no_tree() -> None:
    stream = ProducerStream(_encoder())

    assert stream.tree.absorb(records(3, producer=stream.producer)) is None


def test_stream_with_signer_keeps_a_tree() -> None:
    stream = ProducerStream(_encoder(), signer=NoSigner())

    state = stream.tree.absorb(records(3, producer=stream.producer))

    assert state is not None
    assert state.size == 3
