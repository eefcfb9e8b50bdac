"""Checkpoints: written, signed, read back; and what must not pass for one."""

from __future__ import annotations

import dataclasses
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from telemetry.exceptions import FormatError, MalformedRecordError, TamperedError
from telemetry.format.proof.checkpoint import Checkpoint, open_checkpoint, parse_text, render_text, sign_checkpoint
from telemetry.format.proof.checkpoint_message import decode_checkpoint_message, encode_checkpoint_message
from telemetry.format.proof.key_span import MAX_WRITTEN_SPANS, KeySpan
from telemetry.format.proof.merkle import Frontier, leaf_hash
from telemetry.format.proof.signed_note import PublicKey
from telemetry.format.value import jwe

PRODUCER = "0198c0de-0000-7000-8000-00000000000a"
SOURCE = "/production/card%20payments"
TIME = "2026-01-02T03:04:05.678901Z"
KIDS = [jwe.key_id(bytes(32), key_uri=f"stub://{number}", wrapped=b"") for number in range(64)]


class Key:
    name = "payments"

    def __init__(self, seed: int = 1) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.public = PublicKey(self.name, self._private.public_key().public_bytes_raw())
        self.public_key = str(self.public)

    def sign(self, text: bytes) -> bytes:
        return self._private.sign(text)


def tree_of(size: int) -> Frontier:
    tree = Frontier()
    tree.extend(leaf_hash(bytes([number])) for number in range(size))
    return tree


def checkpoint_of(size: int = 5, *, final: bool = False, recovered: bool = False) -> Checkpoint:
    tree = tree_of(size)
    return Checkpoint.of(tree, source=SOURCE, producer=PRODUCER, time=TIME, final=final, recovered=recovered)


@pytest.mark.parametrize("size", [0, 1, 2, 5, 200])
@pytest.mark.parametrize(("final", "recovered"), [(False, False), (True, False), (True, True)])
def test_checkpoint_round_trip(size: int, *, final: bool, recovered: bool) -> None:
    checkpoint = checkpoint_of(size, final=final, recovered=recovered)
    opened = open_checkpoint(sign_checkpoint(checkpoint, Key()), [Key().public])
    assert opened == checkpoint
    assert opened.is_closing == (final or recovered)
    tree = opened.tree()
    assert tree is not None
    assert tree.root() == tree_of(size).root()


def test_first_lines_follow_tlog_checkpoint() -> None:
    origin, size, root = render_text(checkpoint_of(1)).split("\n")[:3]
    assert origin == f"telemetry/production/card%20payments/{PRODUCER}"
    assert size == "1"
    assert root == "lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c="


def in_version_2(size: int = 5, *, start: int = 3, kids: int = 2) -> Checkpoint:
    keys = tuple(KeySpan(KIDS[number], start + number, start + number) for number in range(kids))
    return dataclasses.replace(checkpoint_of(size), topic="audit-events", interval=start, keys=keys)


def test_lines_of_version_2_follow_the_frontier() -> None:
    lines = render_text(in_version_2()).splitlines()
    assert lines[4].startswith("frontier ")
    assert lines[5:] == ["topic audit-events", "interval 3", f"key {KIDS[0]} 3 3", f"key {KIDS[1]} 4 4"]


@pytest.mark.parametrize(("start", "kids"), [(0, 5), (3, 2), (4, 1), (5, 0), (0, 0)])
def test_version_2_round_trip(start: int, kids: int) -> None:
    checkpoint = in_version_2(start=start, kids=kids)
    assert open_checkpoint(sign_checkpoint(checkpoint, Key()), [Key().public]) == checkpoint


def test_most_data_keys_that_are_written_fit_former_readers() -> None:
    checkpoint = in_version_2(MAX_WRITTEN_SPANS, start=0, kids=MAX_WRITTEN_SPANS)
    lines = render_text(dataclasses.replace(checkpoint, final=True, recovered=True)).splitlines()
    assert len(lines) <= 3 + 64
    assert len(sign_checkpoint(checkpoint, Key())) < 8_192


@pytest.mark.parametrize(
    "lines",
    [
        ["topic audit events"],
        ["topic " + "x" * 250],
        ["topic ", "interval 3"],
        ["topic t", "topic t"],
        ["interval 3"],
        ["topic t", "interval 6"],
        ["topic t", "interval -1"],
        ["topic t", "interval 9999999999999999"],
        ["topic t", "interval 3", "interval 3"],
        ["topic t", "key {} 3 4"],
        ["topic t", "interval 3", "key {} 3 3"],
        ["topic t", "interval 3", "key {} 3 5"],
        ["topic t", "interval 3", "key {} 2 4"],
        ["topic t", "interval 3", "key {} 4 4"],
        ["topic t", "interval 3", "key {} 4 3"],
        ["topic t", "interval 3", "key {} 3 3", "key {} 3 4"],
        ["topic t", "interval 3", "key {} 4 4", "key {} 3 3"],
        ["topic t", "interval 3", "key {} 3"],
        ["topic t", "interval 3", "key {} 03 4"],
        ["topic t", "interval 3", "key {}\t3 4"],
        ["topic t", "interval 3", "key " + "A" * 42 + "B 3 4"],
        ["topic t", "interval 3", "key {} 3 " + "9" * 5_000],
        ["topic t", "interval 0", *["key {} 0 0"] * 65],
    ],
)
def test_malformed_line_of_version_2_is_refused(lines: list[str]) -> None:
    text = render_text(checkpoint_of()) + "".join(line.format(KIDS[0]) + "\n" for line in lines)
    with pytest.raises(FormatError):
        parse_text(text)


def test_unknown_extension_lines_survive() -> None:
    checkpoint = dataclasses.replace(checkpoint_of(), extensions=("region eu-west-1", "final-offset 12"))
    assert open_checkpoint(sign_checkpoint(checkpoint, Key()), [Key().public]) == checkpoint


def test_a_checkpoint_without_frontier_is_read() -> None:
    checkpoint = dataclasses.replace(checkpoint_of(), frontier=None)
    opened = open_checkpoint(sign_checkpoint(checkpoint, Key()), [Key().public])
    assert opened.tree() is None


def test_forged_with_another_key() -> None:
    with pytest.raises(TamperedError, match="no trusted key"):
        open_checkpoint(sign_checkpoint(checkpoint_of(), Key(2)), [Key(1).public])


def test_frontier_of_another_tree_is_refused() -> None:
    text = render_text(dataclasses.replace(checkpoint_of(4), frontier=tree_of(8).roots))
    with pytest.raises(TamperedError, match="frontier"):
        parse_text(text)


def test_every_line_is_signed() -> None:
    note = sign_checkpoint(checkpoint_of(final=True), Key())
    for line in render_text(checkpoint_of(final=True)).splitlines():
        altered = note.replace(line + "\n", "", 1)
        with pytest.raises((FormatError, TamperedError)):
            open_checkpoint(altered, [Key().public])


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (0, "payments/" + PRODUCER),
        (0, "telemetry/production/payments"),
        (0, "telemetry/" + PRODUCER),
        (0, "telemetry/" + "x" * 5_000 + "/" + PRODUCER),
        (1, "05"),
        (1, "-5"),
        (1, "five"),
        (1, str(2**53 + 1)),
        (1, "9" * 5_000),
        (2, "AAAA"),
        (2, "not base64"),
        (3, "time yesterday"),
        (3, "time 2026-01-02T03:04:05+01:00"),
        (3, "time 2026-02-30T03:04:05Z"),
        (3, "time 2026-01-02T24:00:00Z"),
        (3, "time 2026-01-02T03:04:60Z"),
        (3, "time 0000-01-02T03:04:05Z"),
        (3, "tome 2026-01-02T03:04:05Z"),
        (4, "final and more"),
        (4, "frontier AAAA"),
        (4, "time 2026-01-02T03:04:05Z"),
        (4, ""),
    ],
)
def test_malformed_line_is_refused(number: int, line: str) -> None:
    lines = render_text(checkpoint_of(final=True)).splitlines()
    lines[number] = line
    with pytest.raises(FormatError):
        parse_text("\n".join(lines) + "\n")


def test_too_many_lines_are_refused() -> None:
    with pytest.raises(FormatError):
        parse_text(render_text(checkpoint_of()) + "more\n" * 100)


@pytest.mark.parametrize(
    "change",
    [
        {"producer": "me"},
        {"time": "now"},
        {"source": "no-slash"},
        {"extensions": ("final",)},
        {"extensions": ("a\nb",)},
    ],
)
def test_unfit_checkpoint_is_not_signed(change: dict[str, object]) -> None:
    with pytest.raises(FormatError):
        sign_checkpoint(dataclasses.replace(checkpoint_of(), **change), Key())  # type: ignore[arg-type]  # on purpose


def test_the_record_of_a_checkpoint() -> None:
    checkpoint = checkpoint_of()
    note = sign_checkpoint(checkpoint, Key())
    value = encode_checkpoint_message(checkpoint, note, event_id="0198c0de-0000-7000-8000-00000000000b")
    assert json.loads(value) == {
        "specversion": "1.0",
        "source": SOURCE,
        "datacontenttype": "text/plain",
        "producer": PRODUCER,
        "id": "0198c0de-0000-7000-8000-00000000000b",
        "time": TIME,
        "type": "telemetry.checkpoint",
        "data": note,
    }
    message = decode_checkpoint_message(value)
    assert message is not None
    assert open_checkpoint(message.data, [Key().public]) == checkpoint


def test_other_records_are_not_checkpoints() -> None:
    for value in (
        b"",
        b"{}",
        b'{"type":"telemetry.checkpoint","datacontenttype":"application/jose"}',
        b'{"type":"other","datacontenttype":"text/plain","data":"telemetry.checkpoint"}',
        b'"telemetry.checkpoint" "text/plain"',
    ):
        assert decode_checkpoint_message(value) is None


def test_checkpoint_record_in_another_form() -> None:
    checkpoint = checkpoint_of()
    value = encode_checkpoint_message(checkpoint, sign_checkpoint(checkpoint, Key()), event_id="x")
    for altered in (
        value.replace(b'","', b'", "', 1),
        value[:-1] + b',"more":1}',
        value.replace(b'"data":"', b'"data":1,"x":"'),
        value[:-2] + b"A" * 200_000 + b'"}',
    ):
        with pytest.raises(MalformedRecordError):
            decode_checkpoint_message(altered)


def test_old_copy_of_a_segment_is_signed_for() -> None:
    checkpoint = dataclasses.replace(checkpoint_of(5, recovered=True), topic="audit-events", interval=5, old_copy=3)

    note = sign_checkpoint(checkpoint, Key())

    assert "\nold-copy 3\n" in note
    assert open_checkpoint(note, [Key().public]) == checkpoint


@pytest.mark.parametrize(
    "change", [{"old_copy": 5}, {"old_copy": 6}, {"recovered": False}, {"topic": None, "interval": None}]
)
def test_old_copy_that_is_none_is_refused(change: dict[str, object]) -> None:
    right = dataclasses.replace(checkpoint_of(5, recovered=True), topic="audit-events", interval=5, old_copy=3)
    with pytest.raises(FormatError):
        sign_checkpoint(dataclasses.replace(right, **change), Key())  # type: ignore[arg-type]


def test_gateway_that_logged_the_events_is_signed_for() -> None:
    checkpoint = dataclasses.replace(checkpoint_of(5), topic="audit-events", via="/production/edge%20gateway")

    note = sign_checkpoint(checkpoint, Key())

    assert note.partition("\n\n")[0].endswith("\nvia /production/edge%20gateway")
    assert open_checkpoint(note, [Key().public]) == checkpoint


@pytest.mark.parametrize(
    "via",
    ["", "gateway", "/production", "/production/a/b", "/production/a b", "//a", "/production/ä", "/p/" + "g" * 5_000],
)
def test_gateway_that_is_no_source_is_refused(via: str) -> None:
    with pytest.raises(FormatError):
        sign_checkpoint(dataclasses.replace(checkpoint_of(5), topic="audit-events", via=via), Key())


def test_gateway_is_another_service_and_needs_a_topic() -> None:
    right = checkpoint_of(5)
    for change in ({"via": right.source, "topic": "audit-events"}, {"via": "/production/gateway", "topic": None}):
        with pytest.raises(FormatError):
            sign_checkpoint(dataclasses.replace(right, **change), Key())
