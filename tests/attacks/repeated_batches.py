"""Repeats batches in the log of a stopped broker: a broker that accepts a thousand bombs unpacks each of them first."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from tests.services.kafka import KafkaBroker

_LENGTH_AT, _LAST_AT = 8, 23
_BEFORE_LENGTH = 12
_OFFSET = struct.Struct(">q")


def repeat_last_batches(broker: KafkaBroker, topics: Mapping[str, int], *, times: int) -> None:
    """Stop a broker, repeat the last batches of partitions, and start it again.

    The offset of a batch is not part of what its checksum covers, so the copies are as good as the batch.

    Args:
        broker: A broker of the test's own.
        topics: How many batches of partition 0 of each topic are repeated as one.
        times: How often they are on the topic in the end.
    """
    broker.stop()
    for topic, last in topics.items():
        folder = broker.folder / "data" / f"{topic}-0"
        _repeat(folder / "00000000000000000000.log", last=last, times=times)
        for index in (*folder.glob("*.index"), *folder.glob("*.timeindex")):
            # The broker makes them again from the log.
            index.unlink()
    broker.start()


def _repeat(log: Path, *, last: int, times: int) -> None:
    content = log.read_bytes()
    starts, at = [], 0
    while at + _LAST_AT + 4 <= len(content):
        starts.append(at)
        at += _BEFORE_LENGTH + int.from_bytes(content[at + _LENGTH_AT : at + _BEFORE_LENGTH], "big")
    ends = [*starts[1:], at]
    repeated = [content[start:end] for start, end in zip(starts, ends, strict=True)][-last:]
    following = _OFFSET.unpack_from(content, starts[-1])[0] + _records(repeated[-1])
    with log.open("r+b") as file:
        file.seek(at)
        file.truncate()
        for _ in range(times - 1):
            for batch in repeated:
                file.write(_OFFSET.pack(following) + batch[_OFFSET.size :])
                following += _records(batch)


def _records(batch: bytes) -> int:
    return int.from_bytes(batch[_LAST_AT : _LAST_AT + 4], "big") + 1
