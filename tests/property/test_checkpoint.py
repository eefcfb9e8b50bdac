"""Reads checkpoints of any producer as they were signed: no flipped bit passes."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof.checkpoint import Checkpoint, open_checkpoint, parse_text, render_text, sign_checkpoint
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message, encode_checkpoint_message
from telemetry.format.proof.key_span import KeySpan
from telemetry.format.proof.leaves import IntervalLeaves
from telemetry.format.proof.merkle import Frontier, leaf_hash
from telemetry.format.proof.signed_note import parse_note
from telemetry.format.value import jwe
from telemetry.format.value.message import source_of
from tests.support.written_trail import Signer

SIGNER = Signer()
PRODUCER = "0198c0de-0000-7000-8000-00000000000a"

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
extensions = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40).filter(
    lambda line: line.partition(" ")[0] not in ("time", "final", "recovered", "frontier", "topic", "interval", "key")
)


@st.composite
def intervals(draw: st.DrawFn, size: int) -> dict[str, Any]:
    """Draw what version 2 adds: nothing, the topic alone, or the interval and its data keys as well."""
    kind = draw(st.integers(0, 2))
    if kind == 0:
        return {}
    topic = draw(st.from_regex(r"[A-Za-z0-9._-]{1,249}", fullmatch=True))
    if kind == 1:
        return {"topic": topic}
    start = draw(st.integers(0, size))
    cuts = sorted(draw(st.sets(st.integers(start + 1, size), max_size=5))) if start < size else []
    bounds = [start, *(cut for cut in cuts if cut < size), size]
    keys = [KeySpan(kid_of(first), first, last - 1) for first, last in pairwise(bounds) if last > first]
    return {"topic": topic, "interval": start, "keys": tuple(keys) if draw(st.booleans()) else ()}


def kid_of(number: int) -> str:
    return jwe.key_id(bytes(32), key_uri=f"stub://{number}", wrapped=b"")


@st.composite
def checkpoints(draw: st.DrawFn) -> Checkpoint:
    tree = Frontier()
    tree.extend(leaf_hash(b"%d" % number) for number in range(draw(st.integers(0, 40))))
    return Checkpoint(
        source=source_of(draw(names), draw(names)),
        producer=str(draw(st.uuids())),
        size=tree.size,
        root=tree.root(),
        time=draw(st.datetimes()).strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0"),
        final=draw(st.booleans()),
        recovered=draw(st.booleans()),
        frontier=draw(st.sampled_from([None, tree.roots])),
        **draw(intervals(tree.size)),
        extensions=tuple(draw(st.lists(extensions, max_size=3))),
    )


@given(checkpoints())
def test_round_trip(checkpoint: Checkpoint) -> None:
    note = sign_checkpoint(checkpoint, SIGNER)
    assert open_checkpoint(note, [SIGNER.public]) == checkpoint
    message = decode_checkpoint_message(encode_checkpoint_message(checkpoint, note, event_id="x"))
    assert message is not None
    assert message.data == note
    assert parse_text(render_text(checkpoint)) == checkpoint


@given(checkpoints(), st.data())
def test_any_flipped_bit_is_found(checkpoint: Checkpoint, data: st.DataObject) -> None:
    note = sign_checkpoint(checkpoint, SIGNER).encode()
    at, bit = data.draw(st.integers(0, len(note) - 1)), data.draw(st.integers(0, 7))
    altered = (note[:at] + bytes([note[at] ^ (1 << bit)]) + note[at + 1 :]).decode("utf-8", "surrogateescape")
    with pytest.raises((FormatError, TamperedError)):
        open_checkpoint(altered, [SIGNER.public])


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (parse_note, parse_text):
        try:
            read(text)
        except (FormatError, TamperedError):
            continue


@given(st.integers(0, 40), st.integers(1, 40), st.data())
def test_any_altered_leaves_are_found(start: int, count: int, data: st.DataObject) -> None:
    checkpoint, header = interval_of(start, count)
    decoded = IntervalLeaves.decode(header, checkpoint)
    assert [decoded.leaf(start + number) for number in range(count)] == [
        leaf_hash(b"%d" % (start + number)) for number in range(count)
    ]
    assert decoded.encode() == header
    at, bit = data.draw(st.integers(0, len(header) - 1)), data.draw(st.integers(0, 7))
    with pytest.raises((FormatError, TamperedError)):
        IntervalLeaves.decode(header[:at] + bytes([header[at] ^ (1 << bit)]) + header[at + 1 :], checkpoint)


@given(st.integers(0, 40), st.integers(0, 40), st.binary(max_size=300))
def test_any_bytes_beside_a_checkpoint_are_refused(start: int, count: int, header: bytes) -> None:
    with pytest.raises((FormatError, TamperedError)):
        IntervalLeaves.decode(header, interval_of(start, count)[0])


def interval_of(start: int, count: int) -> tuple[Checkpoint, bytes]:
    """Return a checkpoint of an interval, and the content of its leaves header; empty where there is none."""
    tree = Frontier()
    tree.extend(leaf_hash(b"%d" % number) for number in range(start))
    before = tree.roots
    leaves = [leaf_hash(b"%d" % number) for number in range(start, start + count)]
    tree.extend(leaves)
    checkpoint = Checkpoint.of(
        tree, source="/p/s", producer=PRODUCER, time="2026-01-02T03:04:05Z", topic="audit-events", interval=start
    )
    return checkpoint, IntervalLeaves(start, before, b"".join(leaves)).encode() if count else b""
