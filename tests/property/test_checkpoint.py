"""Reads checkpoints of any producer as they were signed: no flipped bit passes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.exceptions import FormatError, TamperedError
from telemetry.format.proof.checkpoint import Checkpoint, open_checkpoint, parse_text, render_text, sign_checkpoint
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message, encode_checkpoint_message
from telemetry.format.proof.merkle import Frontier, leaf_hash
from telemetry.format.proof.signed_note import parse_note
from telemetry.format.value.message import source_of
from tests.support.written_trail import Signer

SIGNER = Signer()

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
extensions = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40).filter(
    lambda line: line.partition(" ")[0] not in ("time", "final", "recovered", "frontier")
)


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
