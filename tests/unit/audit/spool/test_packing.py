"""Packs of records: the bytes on disk, and what comes back from them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.packing import pack, unpack
from telemetry.audit.spool.progress import Progress
from tests.support.accepted_records import PRODUCER, sealed_records


@pytest.mark.parametrize("features", [(), ("disclosable", "hidden-type")], ids=["plain", "disclosable"])
def test_values_come_back_across_data_keys(features: tuple[str, ...]) -> None:
    logged = list(sealed_records(50, uses_of_a_key=8, features=features))
    for record in logged[::5]:
        record.write(record.value)

    rows = [row for packed in pack(logged, Progress()) for row in unpack(packed.content)]

    assert rows == [(record.sequence, record.event_id, record.key, record.value) for record in logged]


def test_packing_writes_no_value_out() -> None:
    logged = list(sealed_records(3, uses_of_a_key=100))

    assert [packed.content for packed in pack(logged, Progress())]

    assert all(record.ciphertext for record in logged)


def test_checkpoint_is_not_packed() -> None:
    checkpoint = SealedRecord.written("c", producer=PRODUCER, sequence=None, key=b"p", value=b"note")
    logged = [*sealed_records(1, uses_of_a_key=100), checkpoint]

    assert [(packed.first, packed.last) for packed in pack(logged, Progress())] == [(0, 0)]
    assert list(pack([checkpoint], Progress())) == []


def test_large_commit_is_split() -> None:
    logged = list(sealed_records(2_500, uses_of_a_key=10_000))

    assert [(packed.first, packed.last) for packed in pack(logged, Progress())] == [
        (0, 999),
        (1_000, 1_999),
        (2_000, 2_499),
    ]


def test_bytes_on_disk_never_change() -> None:
    record = SealedRecord(
        event_id="018f3b1c-0000-7000-8000-000000000003",
        producer=PRODUCER,
        sequence=7,
        key=b"ada:shop",
        size=1,
        value_head=b'{"specversion":"1.0","sequence":',
        id_and_time_json=b',"id":"018f3b1c-0000-7000-8000-000000000003","time":"2026-01-31T12:00:00.000000Z"',
        clear_tail=b',"type":"user_login","data":',
        jwe_header=b"eyJh",
        iv=bytes(range(12)),
        ciphertext=bytes(range(40, 73)),
    )

    (packed,) = pack([record], Progress(commit=3, settled_below=5, tree_size=7, frontier=b"f" * 32))

    # Written by the first release of spool format 3, in MessagePack.
    assert packed.content == (
        b"\x95\x94\x03\x05\x07\xc4 ffffffffffffffffffffffffffffffff\x90"
        b'\xc4 {"specversion":"1.0","sequence":\xc4\x04eyJh'
        b"\x91\x96\x07\xd9$018f3b1c-0000-7000-8000-000000000003\xc4\x08ada:shop"
        b'\xc4m,"id":"018f3b1c-0000-7000-8000-000000000003","time":"2026-01-31T12:00:00.000000Z","type":"user_login",'
        b'"data":\xc4\x0c\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b'
        b"\xc4!()*+,-./0123456789:;<=>?@ABCDEFGH"
    )


@given(st.binary(max_size=64))
def test_random_bytes_are_refused(content: bytes) -> None:
    try:
        rows = unpack(content)
    except msgspec.DecodeError:
        return
    assert isinstance(rows, list)


@given(st.data())
def test_truncated_pack_is_refused(data: st.DataObject) -> None:
    (packed,) = pack(list(sealed_records(3, uses_of_a_key=100)), Progress())
    cut = packed.content[: data.draw(st.integers(0, len(packed.content) - 1))]

    with pytest.raises(msgspec.DecodeError):
        unpack(cut)


def _row(records: int, *, head: int, is_sealed: bool) -> bytes:
    """Return a small row that would become many large values."""
    sealed = [[position, "", b"", b"", b"", b""] for position in range(records)] if is_sealed else []
    written = [] if is_sealed else [[position, "", b"", b""] for position in range(records)]
    return msgspec.msgpack.encode([[0, 0, None, b""], written, b"h" * head, b"", sealed])


@pytest.mark.parametrize("is_sealed", [True, False])
@pytest.mark.parametrize(("records", "head"), [(1_001, 10), (500_000, 10), (10, 65_537)])
def test_row_beyond_what_is_written_is_refused(records: int, head: int, *, is_sealed: bool) -> None:
    with pytest.raises(msgspec.DecodeError):
        unpack(_row(records, head=head, is_sealed=is_sealed))


def test_largest_row_that_is_written_is_read() -> None:
    assert len(unpack(_row(1_000, head=65_536, is_sealed=True))) == 1_000
