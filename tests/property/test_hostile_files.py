"""Throws hostile files at what reads them: exports, states, trust files, acknowledgements, proofs and rosters."""

from __future__ import annotations

import contextlib
import functools
import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from telemetry.exceptions import ConfigurationError, FormatError, TamperedError, TelemetryError
from telemetry.format.proof.acknowledgement import Acknowledgement, parse_acknowledgement, sign_acknowledgement
from telemetry.format.proof.inclusion import encode_proof, verify_proof
from telemetry.format.proof.signed_note import sign_note
from telemetry.format.roster.entries import parse_entry
from telemetry.format.roster.roster import encode_roster
from telemetry.reader import FileSource, RawRecord, TrailReader
from telemetry.reader.open.rules import ReadingRules
from telemetry.reader.prove.prover import Prover
from telemetry.reader.roster.history import RosterHistory
from telemetry.reader.roster.store import RosterStore
from telemetry.reader.sources.lines import write_line
from telemetry.reader.trust import Role, TrustedKey, TrustPolicy, parse_trust_file
from telemetry.reader.verify.acknowledged import AcknowledgedFindings
from telemetry.reader.verify.state import VerifierState
from telemetry.reader.verify.verifier import Verifier
from tests.property.genuine import LATER, bounded, folder, placed, trail
from tests.property.hostile import altered, altered_bytes, fuzz, mixed, noise, policies, texts
from tests.property.hostile_store import genuine_objects, hostile_contents, storage_keys
from tests.support.memory_store import MemoryStore
from tests.support.rosters import WITNESS, Witnessing, read_up_to, stream
from tests.support.written_trail import Process

ROSTERS = f"{WITNESS.public.key_id.hex()}/"
TOML_VALUES = (
    "9" * 5_000,
    "nan",
    "inf",
    "-1",
    "true",
    "[" * 200 + "]" * 200,
    "[]",
    '""',
    '"\\u202e"',
    "9999-12-31T23:59:59.999999-14:00",
    "0001-01-01T00:00:00+14:00",
    "2026-01-01",
    "07:32:00",
    "1979-05-27T07:32:00",
    "{ a = 1 }",
    '["*"]',
    '["/***/**"]',
    '["' + "*/" * 200 + '"]',
    '"' + "x" * 5_000 + '"',
)


@st.composite
def line_files(draw: st.DrawFn) -> bytes:
    """A file of records, with lines between them that are none, altered, or too long."""
    genuine = [write_line(record) for record in placed(trail().records)]
    line = draw(st.sampled_from(genuine))
    hostile = st.one_of(noise, altered(line), st.just(line), st.just(b"x" * 300_000), texts.map(str.encode))
    lines = draw(mixed(genuine[1:], hostile.map(lambda found: found.replace(b"\n", b" ") + b"\n")))
    # What the first line is decides of which kind the file is.
    return b"".join([genuine[0], *lines]) + draw(st.sampled_from([b"", b"\n\n\n", b"\xff", b'{"key":']))


@fuzz(25)
@given(line_files(), policies)
def test_file_shows_all_events(content: bytes, policy: str) -> None:
    judge = functools.partial(trail().policy, policy)
    with folder() as place, bounded():
        path = place / "records.jsonl"
        path.write_bytes(content)
        rules = ReadingRules(policy=judge())
        entries = list(TrailReader(FileSource(path), provider=trail().provider, rules=rules, patience=5.0))
        verifier = Verifier(judge())
        verifier.observe_all(FileSource(path))
        report = verifier.report(now=LATER)
    trail().require_shown(entries)
    trail().require_verified(report)


@fuzz(40)
@given(st.one_of(hostile_contents(), noise))
def test_any_file_is_read_or_refused(content: bytes) -> None:
    with folder() as place, bounded():
        path = place / "records"
        path.write_bytes(content)
        records = list(FileSource(path, keys=storage_keys()))
        entries = list(TrailReader(records, provider=trail().provider, patience=0.0))
    assert len(entries) <= len(records)


def _states() -> list[bytes]:
    verifier = Verifier([trail().signer.public])
    verifier.observe_all(placed(trail().records)[:13])
    return [verifier.state(now=LATER).to_bytes()]


@fuzz(50)
@given(st.deferred(lambda: st.one_of(noise, *(altered_bytes(state) for state in _states()))))
def test_any_state_is_loaded_or_refused(content: bytes) -> None:
    with folder() as place, bounded():
        path = place / "state"
        path.write_bytes(content)
        path.chmod(0o600)
        try:
            state = VerifierState.load(path)
        except TelemetryError:
            return
    assert state is not None


@st.composite
def trust_files(draw: st.DrawFn) -> bytes:
    lines = [
        *trail().trust_file.decode().splitlines(),
        "not_before = 2026-01-01T00:00:00Z",
        "not_after = 2027-01-01T00:00:00Z",
        "[[source]]",
        'name = "/production/*"',
        "clear_until = 2026-01-15T00:00:00Z",
        "expect = 1",
    ]
    names = ["version", "late_days", "public", "roles", "sources", "topics", "not_before", "not_after", "revoked_from"]
    names += ["name", "clear_until", "expect", "other", "key", "source"]
    value = st.one_of(st.sampled_from(TOML_VALUES), texts.map(json.dumps))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        name = draw(st.one_of(st.just(lines[at].partition(" = ")[0]), st.sampled_from(names)))
        lines[at] = draw(
            st.sampled_from([f"{name} = {draw(value)}", "", lines[at] + "\n" + lines[at], "[[key]]", "[[source]]"])
        )
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    return draw(st.one_of(st.just(content), altered_bytes(content)))


@fuzz(120)
@given(st.one_of(trust_files(), trust_files(), noise))
def test_any_trust_file_is_used_or_refused(content: bytes) -> None:
    with bounded():
        try:
            policy = parse_trust_file(content)
        except ConfigurationError:
            return
        verifier = Verifier(policy)
        verifier.observe_all(placed(trail().records))
        assert verifier.report(now=LATER).to_dict()


@st.composite
def acknowledgements(draw: st.DrawFn) -> bytes:
    note = sign_acknowledgement(
        Acknowledgement(
            author="Jane Doe",
            time="2026-02-01T00:00:00Z",
            expires="2027-02-01T00:00:00Z",
            reason="a disk was lost",
            findings=("0" * 32,),
        ),
        trail().signer,
    )
    text = draw(altered_bytes(note.partition("\n\n")[0].encode() + b"\n", others=[b"time ", b"\nfinding ", b"\x00"]))
    try:
        signed = sign_note(text.decode(), trail().signer).encode()
    except (FormatError, UnicodeDecodeError):
        signed = text
    return draw(st.one_of(st.just(signed), altered_bytes(note.encode()), noise))


@fuzz(50)
@given(acknowledgements())
def test_any_acknowledgement_is_read_or_refused(content: bytes) -> None:
    auditor = TrustPolicy((TrustedKey(public=trail().signer.public, roles=frozenset({Role.AUDITOR}), sources=()),))
    with folder() as place, bounded():
        path = place / "ack"
        path.write_bytes(content)
        with contextlib.suppress(FormatError, UnicodeDecodeError):
            parse_acknowledgement(content.decode())
        try:
            found = AcknowledgedFindings.load([path], policy=auditor, now=LATER)
        except ConfigurationError:
            return
        assert isinstance(found.notes(), list)


def _proof(record: RawRecord) -> bytes:
    prover = Prover(*trail().place_of(record), trusted=[trail().signer.public])
    prover.observe_all(placed(trail().records))
    return encode_proof(prover.proof())


@st.composite
def proofs(draw: st.DrawFn) -> bytes:
    proof = _proof(draw(st.sampled_from(trail().events)))
    return draw(altered(proof))


@fuzz(50)
@given(proofs())
def test_any_proof_proves_what_was_signed_or_nothing(content: bytes) -> None:
    with bounded():
        try:
            proven = verify_proof(content, [trail().signer.public])
        except (FormatError, TamperedError):
            return
    assert proven.value in {record.value for record in trail().events}


def _roster_objects() -> dict[str, bytes]:
    witness, process = Witnessing(), Process()
    for _ in range(3):
        process.log()
        witness.sign(stream(process), read_up_to(process.tree.size))
    return {f"{ROSTERS}{roster.name}": encode_roster(roster) for roster in witness.rosters}


@st.composite
def roster_stores(draw: st.DrawFn) -> dict[str, bytes]:
    genuine = _roster_objects()
    document = draw(st.sampled_from(sorted(genuine.values())))
    number = st.sampled_from([0, 1, 2, 3, 5, 6, 99, 10**19, 10**20 - 1])
    name = st.one_of(number.map("{:020d}.roster".format), texts).map(ROSTERS.__add__)
    hostile = draw(st.dictionaries(name, st.one_of(altered(document), st.just(document), noise), max_size=8))
    return hostile | genuine


@fuzz(40)
@given(roster_stores(), texts)
def test_rosters_of_others_spoil_no_history(objects: dict[str, bytes], leaf: str) -> None:
    with bounded():
        rosters = RosterStore(MemoryStore(objects=objects), WITNESS.public)
        history = RosterHistory.read(rosters.documents(), WITNESS.public)
        newest = RosterHistory.read(rosters.newest(), WITNESS.public).newest
        with contextlib.suppress(FormatError):
            parse_entry(leaf)
    assert (history.log.size, history.gaps, history.faults) == (6, [], [])
    assert history.newest is not None
    assert newest is not None


def test_the_parts_of_the_test_are_what_they_should_be(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"".join(map(write_line, placed(trail().records))))
    reader = TrailReader(FileSource(path), provider=trail().provider, rules=ReadingRules(policy=trail().policy("file")))
    trail().require_shown(list(reader))
    assert len(genuine_objects().objects) == 4
