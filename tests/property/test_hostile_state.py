"""Forges states of a verifier, digest included: none ends a run with another error, hides a gap or fills memory."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telemetry.exceptions import FormatError, TamperedError
from telemetry.reader.entry import RawRecord
from telemetry.reader.verify import streams
from telemetry.reader.verify.state import VerifierState
from telemetry.reader.verify.verdicts import Verdict
from telemetry.reader.verify.verifier import Verifier
from tests.support.written_trail import LATER, TOPIC, Process, Signer, topic

bounded = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

NUMBERS = st.sampled_from([-(2**63), -1, 0, 1, 7, 31, 2**31, 2**53, 2**63 - 1])
BYTES = st.sampled_from([b"", b"x", bytes(32), bytes(40), b"\xff" * 8, b"\xff" * 104])
TEXTS = st.sampled_from(
    ["", "x", "0198c0de-0000-7000-8000-000000000001", "9999-99-99T99:99:99Z", "/production/payments"]
)


def trail() -> list[RawRecord]:
    records = topic([*Process(1, leaves=True).run(35), *Process(2).run(35, end=False), *Process(3).run(5, end=False)])
    del records[17], records[50]
    return records


def saved_state() -> Any:
    verifier = Verifier([Signer().public])
    verifier.observe_all(trail()[:70])
    return msgspec.msgpack.decode(msgspec.msgpack.encode(verifier.state(now=LATER)), strict=False)


STATE = saved_state()


@st.composite
def forged(draw: st.DrawFn) -> Any:
    """A state in which some values are others of the same kind."""
    places: list[tuple[Any, Any]] = []

    def walk(part: Any) -> Any:
        copy: Any
        if isinstance(part, dict):
            copy = {name: walk(member) for name, member in part.items()}
            places.extend((copy, name) for name in copy)
        elif isinstance(part, list):
            copy = [walk(member) for member in part]
            places.extend((copy, number) for number in range(len(copy)))
        else:
            copy = part
        return copy

    state = walk(STATE)
    for _ in range(draw(st.integers(1, 3))):
        owner, name = draw(st.sampled_from(places))
        kind = owner[name]
        kinds = {bool: st.booleans(), int: NUMBERS, bytes: BYTES, str: TEXTS}
        owner[name] = draw(kinds.get(type(kind), st.just(kind)))
    return state


@bounded
@given(forged(), st.booleans())
def test_forged_state_ends_no_run(forgery: Any, continued: bool) -> None:
    body = msgspec.msgpack.encode(forgery)
    try:
        state = msgspec.msgpack.Decoder(VerifierState).decode(body)
        state = VerifierState.from_bytes(state.to_bytes())
        verifier = Verifier([Signer().public], state=state, continued=continued)
        verifier.observe_all(trail()[70:] if continued else trail())
        report = verifier.report(now=LATER)
        VerifierState.from_bytes(verifier.state(now=LATER).to_bytes())
    except (FormatError, TamperedError, msgspec.ValidationError):
        return
    assert report.to_dict()


@pytest.mark.parametrize("position", [10**6, 2**62])
def test_position_beyond_the_end_is_named_and_not_handed_on(position: int) -> None:
    verifier = Verifier([Signer().public])
    verifier.observe_all(topic(Process().run(20)))
    state = verifier.state(now=LATER)
    state.positions[TOPIC][0] = position
    again = Verifier([Signer().public], state=state)
    again.note_bounds(TOPIC, 0, low=0, high=23)
    report = again.report(now=LATER)
    assert [finding.verdict for finding in report.findings] == [Verdict.TRUNCATED]
    assert again.state().positions == {TOPIC: {0: 23}}


def test_strangers_are_carried_on_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_SAVED_RECORDS", 512)
    verifier = Verifier([Signer().public])
    verifier.observe_all(topic(Process().run(20)))
    for number in range(900):
        verifier.observe(Process(1_000 + number).log())
    state = verifier.state(now=LATER)
    assert (len(state.streams), len(state.unsigned_records) <= 512, state.forgot_records) == (1, True, True)
    # A producer whose beginning may have been among them is not called incomplete.
    late = topic(Process(5_000, leaves=True).run(20))[5:]
    again = Verifier([Signer().public], state=VerifierState.from_bytes(state.to_bytes()))
    again.observe_all(late)
    (finding,) = again.report(now=LATER).producer(Process(5_000).producer).findings
    assert (finding.verdict, finding.range) == (Verdict.UNVERIFIABLE, "0-4")
