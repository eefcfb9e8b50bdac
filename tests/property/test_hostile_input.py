"""Throws hostile records at every reader: no traceback, bounded memory, and every genuine event comes out, proven."""

from __future__ import annotations

import functools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.format.proof.inclusion import encode_proof, verify_proof
from telemetry.reader import RawRecord, TrailReader
from telemetry.reader.open.rules import ReadingRules
from telemetry.reader.prove.lineage import LineageTracer
from telemetry.reader.prove.prover import Prover
from telemetry.reader.verify.state import VerifierState
from telemetry.reader.verify.verifier import Verifier
from tests.property.genuine import LATER, bounded, placed, trail
from tests.property.hostile import fuzz, hostile_records, mixed, policies


@st.composite
def topics(draw: st.DrawFn, *, most: int = 8) -> list[RawRecord]:
    found = draw(mixed(trail().records, hostile_records(trail()), most=most))
    found[:] = placed(found)
    return found


@fuzz(40)
@given(topics(), policies, st.data())
def test_verifier_proves_all_events(records: list[RawRecord], policy: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(records)))
    with bounded():
        verifier = Verifier(trail().policy(policy))
        verifier.observe_all(records[:cut])
        state = VerifierState.from_bytes(verifier.state(now=LATER).to_bytes())
        again = Verifier(trail().policy(policy), state=state, continued=True)
        again.observe_all(records[cut:])
        report = again.report(now=LATER)
        verifier.observe_all(records[cut:])
        whole = verifier.report(now=LATER)
    trail().require_verified(whole)
    trail().require_verified(report)


@fuzz(40)
@given(topics(), policies, st.booleans(), st.booleans())
def test_reader_shows_all_events(records: list[RawRecord], policy: str, needs_seals: bool, foreign: bool) -> None:
    rules = ReadingRules(policy=trail().policy(policy), needs_seals=needs_seals, foreign=foreign)
    with bounded():
        reader = TrailReader(records, provider=trail().provider, rules=rules, patience=5.0)
        entries = list(reader)
        reader.close()
    trail().require_shown(entries)


@fuzz(30)
@given(topics(), policies, st.data())
def test_each_event_is_proven_and_traced(records: list[RawRecord], policy: str, data: st.DataObject) -> None:
    event = data.draw(st.sampled_from(trail().events))
    judge = functools.partial(trail().policy, policy)
    with bounded():
        prover = Prover(*trail().place_of(event), trusted=judge())
        prover.observe_all(records)
        proof = encode_proof(prover.proof())
        tracer = LineageTracer(trail().id_of(event), trusted=judge())
        assert tracer.find(records)
        lineages = tracer.trace(records)
        shown = [lineage.to_dict() for lineage in lineages]
    assert verify_proof(proof, judge().candidates()).message
    assert [lineage.raw.value for lineage in lineages if lineage.is_proven] == [event.value]
    assert len(shown) >= 1


MEBIBYTE = 1 << 20
LARGE = {
    "brackets": b"[" * MEBIBYTE,
    "objects": b'{"a":' * (MEBIBYTE // 5),
    "empty lists": b"[" + b"[]," * (MEBIBYTE // 3) + b"[]]",
    "digits": b"9" * MEBIBYTE,
    "fraction": b"0." + b"9" * MEBIBYTE,
    "exponent": b"1e" + b"9" * MEBIBYTE,
    "text": b'"' + b"x" * MEBIBYTE + b'"',
    "escapes": b'"' + b"\\u202e" * (MEBIBYTE // 6) + b'"',
    "lines": b'"' + b"\\n" * (MEBIBYTE // 2) + b'"',
    "members": b"{" + b",".join(b'"%d":0' % number for number in range(MEBIBYTE // 12)) + b"}",
    "same member": b"{" + b",".join([b'"id":""'] * (MEBIBYTE // 8)) + b"}",
}


@pytest.mark.parametrize("kind", LARGE)
def test_large_values_cost_little(kind: str) -> None:
    event, checkpoint = trail().events[0], trail().checkpoints[0]
    hostile = []
    for genuine, member in ((event, "data"), (event, "recipients"), (checkpoint, "data"), (checkpoint, "time")):
        members = {**json.loads(genuine.value or b""), member: "?"}
        text = json.dumps(members, separators=(",", ":")).encode().replace(b'"?"', LARGE[kind])
        clear = text.replace(b"application/jose", b"application/json")
        hostile += [genuine._replace(value=value) for value in (text, clear, LARGE[kind])]
    records = placed([*hostile, *trail().records])
    with bounded(160 << 20):
        verifier = Verifier(trail().policy("key"))
        verifier.observe_all(records)
        report = verifier.report(now=LATER)
        reader = TrailReader(
            records, provider=trail().provider, rules=ReadingRules(policy=trail().policy("file"), foreign=True)
        )
        entries = list(reader)
        tracer = LineageTracer(trail().id_of(event), trusted=trail().policy("key"))
        assert tracer.find(records)
        shown = [lineage.to_dict() for lineage in tracer.trace(records)]
    trail().require_verified(report)
    trail().require_shown(entries)
    assert shown
