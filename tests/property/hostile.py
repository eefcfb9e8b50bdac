"""Draws hostile input: genuine bytes that were altered in every way, records of every attacker, and plain noise."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from telemetry.exceptions import FormatError
from telemetry.format.proof.leaves import LEAVES_HEADER
from telemetry.format.proof.signed_note import sign_note
from telemetry.format.value import jwe
from telemetry.reader import Place, RawRecord
from tests.attacks.forge import TOPIC
from tests.property.genuine import Trail

_RAW = "raw-value-%d-here"
_RAW_PATTERN = re.compile(rb'"raw-value-([0-9]+)-here"')
RAW_VALUES = (
    b"-1",
    b"-0",
    b"1.5",
    b"1e999",
    b"9007199254740993",
    b"9223372036854775808",
    b"18446744073709551616",
    b"9" * 5_000,
    b"1" + b"0" * 400 + b".0",
    b"NaN",
    b"[" * 3_000 + b"]" * 3_000,
    b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
    b'"\\ud800"',
    b'"\xff\xfe"',
    b'"\xed\xa0\x80"',
    b"",
)
"""JSON values, and what is not one, that no encoder writes."""

FACTOR = int(os.environ.get("HOSTILE_FACTOR", "1"))
"""How many times as many examples as usual are tried: `make hostile-long`."""
MAX_SHOWN = 12_000
"""Characters of what was drawn, when a test fails."""

HOSTILE_TEXTS = (
    "",
    "\x00",
    "\x1b[2J\x1b]0;owned\x07",
    "\u202eexe.\u009b31m",
    "../../../etc/passwd",
    "x" * 5_000,
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "2026-02-30T25:61:61Z",
    "0198c0de-0000-7000-8000-000000000001",
    "ffffffff-ffff-7fff-bfff-ffffffffffff",
    "/production/payments",
    "/production/telemetry-reader",
    "telemetry.checkpoint",
    "telemetry.event",
    "features",
    "dedup",
    "recipients",
    "hidden-type",
    "local-key://00112233445566778899aabbccddeeff",
    "A" * 43,
)


def fuzz(examples: int) -> settings:
    """Return the settings of a test: as many examples as usual, or many times as many."""
    return settings(
        max_examples=examples * FACTOR,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )


def render_json(value: Any, *, is_ascii: bool = False) -> bytes:
    """Return a value as JSON, with the raw bytes for which placeholders stand."""
    text = json.dumps(value, ensure_ascii=is_ascii, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return _RAW_PATTERN.sub(lambda found: RAW_VALUES[int(found[1]) % len(RAW_VALUES)], text)


policies = st.sampled_from(["key", "file"])
texts = st.one_of(st.sampled_from(HOSTILE_TEXTS), st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        texts,
        st.sampled_from(range(16)).map(_RAW.__mod__),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=4,
)
noise = st.one_of(
    st.binary(max_size=200),
    texts.map(str.encode),
    st.sampled_from(RAW_VALUES),
    values.map(render_json),
)


@st.composite
def altered_bytes(draw: st.DrawFn, genuine: bytes, others: Sequence[bytes] = (b"\n", b'"', b"\x00", b"{}")) -> bytes:
    """Draw genuine bytes that were flipped, cut, spliced, repeated or extended, once or a few times."""
    data = genuine
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        end = draw(st.integers(at, min(len(data), at + 40)))
        change = draw(st.sampled_from(["flip", "cut", "splice", "repeat", "insert", "end"]))
        if change == "flip" and at < len(data):
            data = data[:at] + bytes([data[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
        elif change == "cut":
            data = data[:at] + data[end:]
        elif change == "splice":
            other = draw(st.sampled_from(others))
            data = data[:at] + other[draw(st.integers(0, len(other))) :]
        elif change == "repeat":
            data = data[:end] + data[at:]
        elif change == "insert":
            data = data[:at] + draw(noise) + data[at:]
        else:
            data = data[:at]
    return data


@st.composite
def altered_json(draw: st.DrawFn, genuine: bytes) -> bytes:
    """Draw an object of JSON some of whose members are absent, of another type, renamed, added or in another order."""
    members = list(json.loads(genuine).items())
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(members) - 1, 0)))
        change = draw(st.sampled_from(["drop", "value", "value", "value", "name", "add", "swap", "twice"]))
        if not members or change == "add":
            members.insert(at, (draw(texts), draw(values)))
        elif change == "drop":
            del members[at]
        elif change == "value":
            members[at] = (members[at][0], draw(values))
        elif change == "name":
            members[at] = (draw(texts), members[at][1])
        elif change == "swap":
            members.append(members.pop(at))
        else:
            members.append((members[at][0], draw(values)))
    is_ascii = draw(st.booleans())
    shown = [
        render_json(name, is_ascii=is_ascii) + b":" + render_json(value, is_ascii=is_ascii) for name, value in members
    ]
    return b"{" + b",".join(shown) + b"}"


def altered(genuine: bytes) -> st.SearchStrategy[bytes]:
    """Draw what an attacker makes of a JSON object."""
    return st.one_of(altered_bytes(genuine), altered_json(genuine), altered_json(genuine).flatmap(altered_bytes), noise)


keys = st.one_of(st.none(), noise, st.just(b"alice:payments"))
headers = st.lists(st.tuples(st.one_of(st.just(LEAVES_HEADER), texts), noise), max_size=3).map(tuple)
moments = st.sampled_from([None, 0.0, -1.0, 1e300, -1e300, float("nan"), float("inf"), 2.0**63, 253402300800.0, 1.7e9])


def hostile_records(trail: Trail, *, insiders: bool = True) -> st.SearchStrategy[RawRecord]:
    """Draw a record of someone who may write to the topic.

    Args:
        trail: The genuine trail.
        insiders: Whether readers and holders of a trusted key may have written it too.
    """
    outsiders = [strangers(), altered_records(trail), altered_records(trail), misplaced_records(trail)]
    nonsense = [sealed_nonsense(trail), signed_nonsense(trail)] if insiders else []
    return st.one_of(*outsiders, *nonsense)


def strangers() -> st.SearchStrategy[RawRecord]:
    """Draw a record that has nothing to do with this library; some are tombstones."""
    values = st.one_of(noise, st.none())
    return st.builds(RawRecord, keys, values, st.just(Place(TOPIC)), moments, st.just(()), moments)


@st.composite
def altered_records(draw: st.DrawFn, trail: Trail) -> RawRecord:
    """Draw a genuine record with another value."""
    genuine: RawRecord = draw(st.sampled_from(trail.records))
    value = draw(altered(genuine.value or b""))
    return genuine._replace(value=value, timestamp=draw(moments), append_time=draw(moments))


@st.composite
def misplaced_records(draw: st.DrawFn, trail: Trail) -> RawRecord:
    """Draw a genuine record once more, as it is, under another key, or with other headers."""
    genuine: RawRecord = draw(st.sampled_from(trail.records))
    kind = draw(st.sampled_from(["again", "key", "headers"]))
    if kind == "key":
        return genuine._replace(key=draw(keys), timestamp=draw(moments))
    if kind == "headers":
        leaves = dict(genuine.headers).get(LEAVES_HEADER, b"\x01")
        return genuine._replace(headers=(*draw(headers), (LEAVES_HEADER, draw(altered_bytes(leaves)))))
    return genuine._replace(timestamp=draw(moments), append_time=draw(moments))


@st.composite
def featured(draw: st.DrawFn, plaintext: bytes) -> bytes:
    """Draw a sealed event that names features, some of them rightly."""
    names = st.lists(st.one_of(st.sampled_from(["dedup", "hidden-type", "recipients", "later"]), texts), max_size=3)
    version, names_drawn = draw(st.sampled_from([1, 2, 3, 2**63])), draw(st.one_of(names.map(sorted), values))
    members = b'"schema_version":%d,"features":%b' % (version, render_json(names_drawn))
    text = st.one_of(texts, st.just("A" * 43))
    dedup = st.one_of(values, st.fixed_dictionaries({"value": text, "digest": text}, optional={"caller": text}))
    if draw(st.booleans()):
        members += b',"dedup":' + render_json(draw(dedup))
    return plaintext.replace(b'"schema_version":1', members)


@st.composite
def sealed_nonsense(draw: st.DrawFn, trail: Trail) -> RawRecord:
    """Draw a record that a reader sealed with a data key of the trail: its seal is right, what is inside is not."""
    genuine: RawRecord = draw(st.sampled_from(trail.events))
    value, key = genuine.value or b"", trail.key
    same = trail.plaintexts[value]
    plaintext = draw(st.one_of(altered(same), st.just(same), featured(same)))
    data = jwe.seal(
        key.cipher, protected=key.protected, iv=draw(st.binary(min_size=12, max_size=12)), plaintext=plaintext
    )
    head = value[: value.index(b',"data":"')]
    if draw(st.booleans()):
        head = draw(altered_json(head + b"}"))[:-1]
    return genuine._replace(
        value=head + b',"data":' + json.dumps(data if isinstance(data, str) else data.decode()).encode() + b"}"
    )


@st.composite
def signed_nonsense(draw: st.DrawFn, trail: Trail) -> RawRecord:
    """Draw a checkpoint that a trusted key signed in the name of a process that logs nothing else."""
    genuine: RawRecord = draw(st.sampled_from(trail.checkpoints))
    message = json.loads(genuine.value or b"")
    text = message["data"].split("\n\n")[0] + "\n"
    number = draw(st.integers(90, 99))
    producer = f"0198c0de-0000-7000-8000-{number:012x}"
    lines = text.replace(message["producer"], producer).splitlines()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(1, max(len(lines) - 1, 1)))
        other = draw(st.one_of(texts, note_lines))
        lines[at : at + draw(st.integers(0, 1))] = draw(st.sampled_from([[], [other], lines[at : at + 1] * 2]))
    clean = "\n".join(line.replace("\n", " ").replace("\r", " ") for line in lines)
    try:
        message["data"] = sign_note(clean + "\n", trail.signer)
    except FormatError:
        message["data"] = clean  # no signer of this library signs it, and neither can a bug
    message["producer"] = producer
    value = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    return genuine._replace(
        key=producer.encode(), value=value, headers=draw(st.one_of(headers, st.just(genuine.headers)))
    )


_numbers = st.sampled_from([-1, 0, 1, 3, 2**53 - 1, 2**53, 2**63, 2**64, 10**30])
note_lines = st.one_of(
    _numbers.map(str),
    st.sampled_from(
        ["final", "recovered", "frontier", f"topic {TOPIC}", "topic x", "time ", "time 9999-12-31T23:59:59Z"]
    ),
    _numbers.map("interval {}".format),
    st.tuples(_numbers, _numbers).map(lambda span: f"key {'A' * 43} {span[0]} {span[1]}"),
    st.binary(max_size=100).map(lambda data: "frontier " + base64.b64encode(data).decode()),
)


class Mixed(list[Any]):
    """Genuine items with hostile ones between them, of which only the hostile ones are shown when a test fails.

    Attributes:
        hostile: The hostile ones.
    """

    hostile: Sequence[Any] = ()

    def __repr__(self) -> str:
        return f"Mixed({len(self)}, hostile={repr(self.hostile)[:MAX_SHOWN]})"


@st.composite
def mixed(draw: st.DrawFn, genuine: Sequence[Any], hostile: st.SearchStrategy[Any], *, most: int = 8) -> Mixed:
    """Draw the genuine items in their order, with hostile ones between them."""
    items = Mixed(genuine)
    items.hostile = draw(st.lists(hostile, max_size=most))
    for item in items.hostile:
        items.insert(draw(st.integers(0, len(items))), item)
    return items
