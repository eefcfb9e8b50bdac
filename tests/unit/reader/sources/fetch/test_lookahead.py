"""A client is given what comes before a bomb, and nothing that is seen to be one."""

from __future__ import annotations

import struct
import zlib

import pytest

from telemetry.kafka.peek.connection import PeekError
from telemetry.reader.sources.fetch.lookahead import Lookahead, Stretch
from tests.support.batches import one_record, raw_batch

_LARGEST = 2 << 20
_GZIP, _CONTROL = 1, 0x20
_WINDOW = 400


class Log:
    """A partition whose windows are short, as an answer of a broker ends where it happens to end."""

    def __init__(self, *batches: bytes) -> None:
        self._batches: list[tuple[int, int, bytes]] = []
        after = 0
        for batch in batches:
            count = struct.unpack_from(">i", batch, 23)[0] + 1 if len(batch) > 27 else 1
            self._batches.append((after, after + max(count, 1), struct.pack(">q", after) + batch[8:]))
            after += max(count, 1)

    def window(self, partition: int, offset: int) -> bytes:
        del partition
        found = [batch for _, after, batch in self._batches if after > offset]
        return b"".join(found)[: max(_WINDOW, len(found[0]))] if found else b""


class Absent:
    """No broker answers."""

    def window(self, partition: int, offset: int) -> bytes:
        del partition, offset
        raise PeekError


def good(*, records: int = 1, **changes: int) -> bytes:
    return raw_batch(one_record(b"x") * records, **{"last": records - 1, "count": records, **changes})


def bomb(*, records: int = 1) -> bytes:
    packed = zlib.compress(bytes(3 * _LARGEST), 9, wbits=31)
    return raw_batch(packed, attributes=_GZIP, last=records - 1, count=records)


def stretch(log: Log, offset: int = 0, *, most: int = 32, end: int | None = None) -> Stretch:
    return Lookahead(log, largest=_LARGEST).stretch(0, offset, most=most, end=end)


def test_stretch_ends_before_a_bomb() -> None:
    found = stretch(Log(*[good()] * 9, good(records=3), bomb(records=4), good()))

    assert (found.until, found.batches) == (12, 10)
    assert found.bomb is not None
    assert found.bomb.base == 12


def test_bomb_at_once_leaves_nothing() -> None:
    found = stretch(Log(good(), bomb(records=4), good()), 3)

    assert (found.until, found.batches) == (3, 0)
    assert found.bomb is not None
    assert found.bomb.base == 1


def test_end_has_no_bomb() -> None:
    assert stretch(Log(good(), good())) == Stretch(2, 2)
    assert stretch(Log(good(), good()), 2) == Stretch(2, 0)


def test_no_more_is_looked_at_than_wanted() -> None:
    log = Log(*[good()] * 9, bomb())

    assert stretch(log, most=4) == Stretch(4, 4)
    assert stretch(log, end=6) == Stretch(6, 6)


def test_end_of_a_transaction_is_no_record() -> None:
    found = stretch(Log(good(), good(attributes=_CONTROL), bomb()))

    assert (found.until, found.batches) == (1, 1)
    assert found.bomb is not None
    assert found.bomb.base == 2


@pytest.mark.parametrize("batch", [good(last=-5), good(magic=1), b"\xff" * 40], ids=["end", "version", "junk"])
def test_batch_without_a_true_end_is_left_to_the_client(batch: bytes) -> None:
    found = stretch(Log(good(), batch, bomb()))

    assert found.batches == 2
    assert found.until >= 2
    assert found.bomb is None


def test_bomb_within_a_batch_is_none() -> None:
    # The first one states a size that leads into its records, where something looks like a bomb.
    false = struct.pack(">q", 2) + bomb()[8:]
    found = stretch(Log(good(), raw_batch(false, size=49), good(records=5)))

    assert found.bomb is None


def test_absent_broker_leaves_all_to_the_client() -> None:
    assert Lookahead(Absent(), largest=_LARGEST).stretch(0, 7, most=32, end=None) == Stretch(39, 32)
