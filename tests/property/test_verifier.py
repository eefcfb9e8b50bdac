"""A trail after crashes, outages and replays raises no alarm; any change made to it afterwards does."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from telemetry.reader.entry import RawRecord
from telemetry.reader.verify.state import VerifierState
from telemetry.reader.verify.verdicts import Verdict
from telemetry.reader.verify.verifier import Verifier
from tests.support.written_trail import LATER, Process, Signer, topic, verify

# Shrinking a whole trail takes minutes; the trails are small as they are.
bounded = settings(
    max_examples=40,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@st.composite
def lives(draw: st.DrawFn, number: int) -> list[RawRecord]:
    """The records of a process, in the order in which Kafka took them."""
    process = Process(number)
    records: list[RawRecord] = []
    held: list[RawRecord] = []
    for _ in range(draw(st.integers(1, 40))):
        step = draw(st.sampled_from(["log", "log", "log", "checkpoint", "outage", "replay", "again"]))
        target = held or records
        if step == "log":
            target.append(process.log(f"user-{draw(st.integers(0, 3))}"))
        elif step == "checkpoint" and process.tree.size:
            target.append(process.checkpoint())
        elif step == "outage" and process.tree.size:
            # What follows goes to the fallback; its first record may have reached the topic all the same.
            held.append(records[-1] if records else process.log())
        elif step == "replay":
            records += held
            # Killed before it could delete the object: the same records are replayed once more.
            records += held if draw(st.booleans()) else []
            held = []
        elif step == "again" and records:
            records.append(records[draw(st.integers(0, len(records) - 1))])
    records += held
    crashed = draw(st.booleans())
    if process.tree.size == 0:
        records.append(process.log())
    if crashed:
        # The process that adopts the spool sends unsettled records again, and signs the end.
        records += records[-draw(st.integers(0, 8)) or len(records) :]
    records.append(process.checkpoint(final=not crashed, recovered=crashed))
    return records


@st.composite
def trails(draw: st.DrawFn) -> list[RawRecord]:
    """A topic with the lives of some processes, read in some interleaving of its partitions."""
    partitions = draw(st.integers(1, 4))
    merged: list[RawRecord] = []
    queues = [draw(lives(number)) for number in range(1, draw(st.integers(1, 3)) + 1)]
    while any(queues):
        queue = draw(st.sampled_from([queue for queue in queues if queue]))
        merged.append(queue.pop(0))
    return draw(read_orders(topic(merged, partitions=partitions)))


@st.composite
def read_orders(draw: st.DrawFn, records: list[RawRecord]) -> list[RawRecord]:
    """The records as a consumer may get them: in order in each partition."""
    queues: dict[int | None, list[RawRecord]] = {}
    for record in records:
        queues.setdefault(record.place.partition, []).append(record)
    taken: list[RawRecord] = []
    while queues:
        partition = draw(st.sampled_from(sorted(queues, key=str)))
        count = draw(st.integers(1, len(queues[partition])))
        taken += queues[partition][:count]
        del queues[partition][:count]
        if not queues[partition]:
            del queues[partition]
    return taken


@bounded
@given(trails())
def test_crashes_duplicates_and_replays_raise_no_alarm(records: list[RawRecord]) -> None:
    report = verify(records)
    assert report.exit_code == 0, [str(finding) for producer in report.producers for finding in producer.findings]
    assert report.verdict is Verdict.COMPLETE
    assert report.total("proven") == report.total("records")


@bounded
@given(trails(), st.data())
def test_instalments_raise_no_alarm(records: list[RawRecord], data: st.DataObject) -> None:
    whole = verify(records)
    state: VerifierState | None = None
    while records:
        count = data.draw(st.integers(1, len(records)))
        verifier = Verifier([Signer().public], state=state)
        verifier.observe_all(records[:count])
        del records[:count]
        report = verifier.report(now=LATER)
        assert report.exit_code != 3
        state = VerifierState.from_bytes(verifier.state().to_bytes())
    assert report.exit_code == 0
    for name in ("records", "proven", "checkpoints"):
        assert report.total(name) == whole.total(name)
    # A state carries no copies of records that nobody has signed for yet.
    assert report.total("duplicates") + report.total("uncompared") <= whole.total("duplicates")


@bounded
@given(trails(), st.data())
def test_deleted_record_is_missing(records: list[RawRecord], data: st.DataObject) -> None:
    events = sorted({record.value or b"" for record in records if is_event(record)})
    victim = data.draw(st.sampled_from(events))
    report = verify([record for record in records if record.value != victim])
    assert report.exit_code == 4
    assert report.verdict in (Verdict.MISSING, Verdict.TRUNCATED)
    missing = [finding for producer in report.producers for finding in producer.of(Verdict.MISSING)]
    assert sum((finding.last or 0) - (finding.first or 0) + 1 for finding in missing) == 1


@bounded
@given(trails(), st.data())
def test_altered_byte_of_an_event_is_found(records: list[RawRecord], data: st.DataObject) -> None:
    position = data.draw(st.sampled_from([position for position, record in enumerate(records) if is_event(record)]))
    records[position] = flipped(records[position], data)
    report = verify(records)
    # A record that names another producer is missing here; if it was a copy, nothing is, and it is foreign there.
    assert report.exit_code in (3, 4) or report.verdict is Verdict.FOREIGN


@bounded
@given(trails(), st.data())
def test_altered_checkpoint_proves_nothing_false(records: list[RawRecord], data: st.DataObject) -> None:
    position = data.draw(st.sampled_from([position for position, record in enumerate(records) if not is_event(record)]))
    records[position] = flipped(records[position], data)
    report = verify(records)
    # An altered signature line may read as that of an unknown key, which is ignored where others have signed the same.
    assert report.exit_code in (3, 4) or report.total("proven") == report.total("records")
    assert report.exit_code != 0 or report.verdict in (Verdict.COMPLETE, Verdict.FOREIGN)


@bounded
@given(trails(), st.data())
def test_replaced_kafka_key_is_named(records: list[RawRecord], data: st.DataObject) -> None:
    position = data.draw(st.sampled_from([position for position, record in enumerate(records) if is_event(record)]))
    keys = st.sampled_from([record.key for record in records])
    key = data.draw(st.none() | st.binary(max_size=40) | keys)
    assume(key != records[position].key)
    records[position] = records[position]._replace(key=key)
    report = verify(records)
    findings = [finding for producer in report.producers for finding in producer.of(Verdict.TAMPERED)]
    assert report.exit_code == 3
    assert ("key", str(records[position].place)) in {(finding.field, finding.place) for finding in findings}


def is_event(record: RawRecord) -> bool:
    return b',"sequence":' in (record.value or b"")


def flipped(record: RawRecord, data: st.DataObject) -> RawRecord:
    value = record.value or b""
    byte = data.draw(st.integers(0, len(value) - 1))
    return record._replace(value=value[:byte] + bytes([value[byte] ^ 1]) + value[byte + 1 :])


@bounded
@given(st.lists(st.binary(max_size=200) | st.none(), max_size=20), trails(), st.data())
def test_garbage_disturbs_nothing_else(
    values: list[bytes | None], records: list[RawRecord], data: st.DataObject
) -> None:
    clean = verify(records)
    for value in values:
        records.insert(data.draw(st.integers(0, len(records))), records[0]._replace(value=value, key=b"x"))
    report = verify(records)
    assert report.producers == clean.producers
    assert report.findings == ()
    assert (report.foreign.total, report.exit_code) == (len(values), 0)


_CHANGES: list[Callable[[bytes], bytes]] = [
    lambda value: value + b" ",
    lambda value: value[:-1],
    lambda value: value.replace(b'"', b"'"),
    lambda value: value.replace(b"sequence", b"Sequence"),
    lambda value: value.replace(b"0198c0de", b"0198c0dF"),
    lambda value: value.replace(b"0198c0de", b"\xff198c0de"),
    lambda value: value.replace(b",", b"," * 3),
    lambda value: value * 2,
    lambda value: b"[" * 100_000 + value,
]


@bounded
@given(trails(), st.sampled_from(_CHANGES), st.data())
def test_malformed_records_are_no_errors(
    records: list[RawRecord], change: Callable[[bytes], bytes], data: st.DataObject
) -> None:
    position = data.draw(st.integers(0, len(records) - 1))
    before = records[position].value or b""
    assume(change(before) != before)
    others = [*records[:position], *records[position + 1 :]]
    records[position] = records[position]._replace(value=change(before))
    # It is a finding if its stream lacks the record now, or has a rival for it.
    report, without = verify(records), verify(others)
    assert report.exit_code in (3, 4) or (without.exit_code == 0 and report.foreign.total > 0)
