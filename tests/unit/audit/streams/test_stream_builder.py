"""A stream has numbers, tree, keys, lane, share and file of its own, and leaves none of them when it is released."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from telemetry.audit.streams.stream_builder import StreamBuilder
from telemetry.exceptions import EncryptionError
from tests.support.gateway_site import SOURCE
from tests.support.leftovers import left_in
from tests.support.stream_bench import StreamBench, log
from tests.support.until import until

PATIENCE = 60


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_streams_share_no_numbers_tree_or_share(tmp_path: Path, opened: ExitStack) -> None:
    bench = StreamBench(tmp_path, opened)
    first, second = bench.builder.open("a"), bench.builder.open("b")
    log(first, 2)
    log(second)

    assert first.producer != second.producer
    assert first.stream.tree is not second.stream.tree
    assert (first.stream.next_sequence, second.stream.next_sequence) == (2, 1)
    assert (first.share.events, second.share.events) == (2, 1)
    assert [(record.producer, record.sequence) for record in bench.drawn(3)] == [
        (first.producer, 0),
        (first.producer, 1),
        (second.producer, 0),
    ]


def test_events_name_their_service_alone(tmp_path: Path, opened: ExitStack) -> None:
    bench = StreamBench(tmp_path, opened)
    log(bench.builder.open("payments"))

    (record,) = bench.drawn(1)

    assert b'"/test/payments"' in record.value
    assert b"gateway" not in record.value


def test_version_of_the_process_is_not_the_services(tmp_path: Path, opened: ExitStack) -> None:
    bench = StreamBench(tmp_path, opened)
    config = bench.site.config().model_copy(update={"version": "7.1-canary"})

    log(StreamBuilder(config, bench.common).open("payments"))

    assert b"7.1-canary" not in bench.drawn(1)[0].value


def test_checkpoint_has_the_source_of_the_service(tmp_path: Path, opened: ExitStack) -> None:
    bench = StreamBench(tmp_path, opened)
    stream = bench.builder.open("payments")
    log(stream)
    assert bench.signed(stream, bench.drawn(1)) == []
    stream.expect_end()

    (final,) = bench.signed(stream)

    assert (final.source, final.via, final.producer, final.size) == ("/test/payments", SOURCE, stream.producer, 1)


def test_nothing_is_signed_without_a_key(tmp_path: Path, opened: ExitStack) -> None:
    stream = StreamBench(tmp_path, opened, signing_config=None).builder.open("payments")

    assert stream.checkpointer is None
    assert stream.stream.tree.state() is None


def test_service_has_data_keys_of_its_own(tmp_path: Path, opened: ExitStack) -> None:
    bench = StreamBench(tmp_path, opened, has_keys=True)
    stream = bench.builder.open("payments")
    assert stream.keys is not None
    stream.keys.keyring.request().result(PATIENCE)
    log(stream)

    assert bench.drawn(1)[0].jwe_header
    assert bench.common.keys is not None
    assert not bench.common.keys.keyring.has_usable_key, "no key of the process has sealed it"


def test_released_stream_leaves_nothing(tmp_path: Path, opened: ExitStack) -> None:
    bench = StreamBench(tmp_path, opened, has_keys=True)
    stream = bench.builder.open("payments")
    assert stream.keys is not None
    stream.keys.keyring.request().result(PATIENCE)

    bench.builder.release(stream)

    assert not stream.keys.keyring.has_usable_key
    with pytest.raises(EncryptionError, match="closed"):
        stream.keys.keyring.request().result(PATIENCE)
    assert (bench.room._shares, bench.batcher._by_producer) == ({}, {})


def test_file_goes_once_all_is_settled(tmp_path: Path, opened: ExitStack) -> None:
    bench = StreamBench(tmp_path, opened, has_spool=True)
    stream = bench.builder.open("payments")
    log(stream)
    batch = bench.drawn(1)
    assert batch[0].segment is stream.spooled
    assert f"{stream.producer}.spool" in left_in(bench.folder)

    bench.builder.release(stream)
    assert bench.builder.ending == 1
    bench.settle(batch)

    until(lambda: bench.builder.ending == 0, what="the end of the file")
    assert left_in(bench.folder) == []


def test_nothing_ends_without_a_spool(tmp_path: Path, opened: ExitStack) -> None:
    bench = StreamBench(tmp_path, opened)
    bench.builder.release(bench.builder.open("payments"))

    assert bench.builder.ending == 0
