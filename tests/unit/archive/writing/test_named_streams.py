"""A seal names the largest tree of each stream and key, whatever checkpoints say of themselves."""

from __future__ import annotations

from telemetry.archive.writing.named_streams import NamedStreams
from telemetry.format import canonical_base64
from telemetry.format.archive.seal import SealedStream
from tests.support.written_trail import Process, Signer


def shown(stream: SealedStream) -> tuple[str, str, int, str, bool]:
    return stream.source, stream.producer, stream.size, stream.signer, stream.final


def value(process: Process, **options: object) -> bytes:
    return process.checkpoint(**options).value or b""  # type: ignore[arg-type]


def test_largest_of_each_stream_and_key() -> None:
    first, second, thief = Process(1), Process(2), Signer(9, "thief")
    named = NamedStreams()
    for process in (first, second):
        for _ in range(3):
            process.log()
            named.add(value(process))
    named.add(value(first, final=True))
    first.log()
    named.add(value(first, signer=thief))
    keys = {each: each.public.key_id.hex() for each in (Signer(), thief)}

    assert {shown(stream) for stream in named.largest()} == {
        ("/production/payments", first.producer, 3, first.signer.public.key_id.hex(), True),
        ("/production/payments", first.producer, 4, keys[thief], False),
        ("/production/payments", second.producer, 3, second.signer.public.key_id.hex(), False),
    }


def test_largest_root_of_one_size() -> None:
    forks = [Process(1) for _ in range(6)]
    named = NamedStreams()
    for number, process in enumerate(forks):
        process.log(payload=b"%d" % number)
        named.add(value(process))

    (stream,) = named.largest()
    assert stream.root == canonical_base64.encode(max(process.tree.root() for process in forks))


def test_what_is_no_checkpoint_is_passed_over() -> None:
    named = NamedStreams()
    process = Process(1)
    process.log()
    checkpoint = value(process)
    for rubbish in (b"", b"{}", b"\xff", checkpoint[:-9], checkpoint.replace(b"0198c0de", b"zzzzzzzz")):
        named.add(rubbish)

    assert named.largest() == ()


def test_source_that_no_seal_may_name_is_passed_over() -> None:
    process = Process(1)
    process.source = "/one/two/three"
    process.log()
    named = NamedStreams()
    named.add(value(process))

    assert named.largest() == ()


def test_invented_streams_fill_a_seal_and_no_more() -> None:
    named, count = NamedStreams(), 0
    while not named.is_full:
        process = Process(count + 1)
        process.source = "/production/" + "a" * 3_000
        named.add(value(process))
        count += 1

    assert count < 2_000
