"""A verification in instalments equals one run, and its state reveals a rewritten past."""

from __future__ import annotations

import tracemalloc
from datetime import timedelta
from pathlib import Path

import pytest

from telemetry.exceptions import FormatError, StorageError, TamperedError
from telemetry.reader.entry import Place, RawRecord
from telemetry.reader.verify.state import VerifierState
from telemetry.reader.verify.verdicts import Verdict, VerificationReport
from telemetry.reader.verify.verifier import Verifier
from tests.support.written_trail import LATER, TOPIC, DataKey, Process, Signer, altered, topic, verify


def verified(records: list[RawRecord], state: VerifierState | None = None) -> tuple[VerificationReport, VerifierState]:
    """Verify records that follow a state; return the report and the next state, encoded and decoded."""
    verifier = Verifier([Signer().public], state=state)
    verifier.observe_all(records)
    report = verifier.report(now=LATER)
    return report, VerifierState.from_bytes(verifier.state(now=LATER).to_bytes())


def again(records: list[RawRecord], state: VerifierState) -> VerificationReport:
    """Verify a source that is read again from its beginning, with a state."""
    return verify(records, state=state, continued=False)


class TestContinued:
    @pytest.mark.parametrize("cut", [1, 5, 10, 11, 12, 57, 94, 103])
    def test_two_instalments_equal_one_run(self, cut: int) -> None:
        records = topic(Process().run(95, users=7), partitions=3)
        _, state = verified(records[:cut])
        report, _ = verified(records[cut:], state)
        assert report.verdict is Verdict.COMPLETE
        assert (report.total("proven"), report.total("records"), report.total("checkpoints")) == (95, 95, 10)
        assert report.exit_code == 0

    def test_many_instalments_of_one_partition_each(self) -> None:
        records = topic([*Process(1).run(95, users=7), *Process(2).run(33, users=5)], partitions=4)
        records.sort(key=lambda record: (record.place.partition, record.place.offset))
        state = None
        for at in range(0, len(records), 13):
            report, state = verified(records[at : at + 13], state)
        assert report.verdict is Verdict.COMPLETE
        assert report.total("proven") == 128
        assert state is not None
        assert state.serial == -(-len(records) // 13)

    def test_state_holds_next_offsets(self) -> None:
        records = topic(Process().run(95), partitions=2)
        _, state = verified(records)
        ends = {partition: sum(record.place.partition == partition for record in records) for partition in (0, 1)}
        assert state.positions == {TOPIC: ends}

    def test_missing_record_is_missing_until_it_arrives(self) -> None:
        records = topic(Process().run(95))
        lost = records.pop(46)
        first, state = verified(records[:60])
        assert Verdict.MISSING in first.producers[0].verdicts
        second, _ = verified(records[60:], state)
        assert second.verdict is Verdict.MISSING
        third, _ = verified([lost, *records[60:]], state)
        assert (third.verdict, third.total("proven")) == (Verdict.COMPLETE, 95)

    def test_tampering_of_an_earlier_run_is_reported(self) -> None:
        records = topic(Process().run(95))
        records[46] = altered(records[46], lambda value: value + b" ")
        _, state = verified(records[:60])
        report, _ = verified(records[60:], state)
        assert report.exit_code == 3

    def test_past_rewritten_under_the_true_key(self) -> None:
        true, false = Process(1), Process(1, data_key=2)
        _, state = verified(topic(true.run(50, end=False)))
        false.run(50, end=False)
        report, _ = verified(topic(false.run(20)), state)
        assert report.exit_code == 3
        assert "rewritten" in report.producers[0].of(Verdict.TAMPERED)[0].reason

    def test_state_stays_small(self) -> None:
        records = topic(Process().run(5_000, every=100))
        _, state = verified(records)
        assert len(state.to_bytes()) < 16_000

    def test_source_cut_since_the_state(self) -> None:
        records = topic(Process().run(95))
        _, state = verified(records)
        verifier = Verifier([Signer().public], state=state)
        verifier.note_bounds(TOPIC, 0, low=0, high=80)
        assert verifier.report(now=LATER).verdict is Verdict.TRUNCATED

    def test_records_deleted_before_they_were_read(self) -> None:
        records = topic(Process().run(95))
        _, state = verified(records[:50])
        verifier = Verifier([Signer().public], state=state)
        verifier.note_bounds(TOPIC, 0, low=70, high=106)
        verifier.observe_all(records[70:])
        report = verifier.report(now=LATER)
        assert {finding.verdict for finding in report.findings} == {Verdict.MISSING}
        assert Verdict.MISSING in report.producers[0].verdicts

    def test_nothing_new_stays_complete(self) -> None:
        _, state = verified(topic(Process().run(95)))
        report, _ = verified([], state)
        assert report.exit_code == 0
        assert report.continued_from == state.digest


class TestReadAnew:
    def test_same_past_read_again(self) -> None:
        process = Process()
        records = process.run(50, end=False)
        _, state = verified(topic(records))
        report = again(topic([*records, *process.run(45)]), state)
        assert report.producer(process.producer).verdicts == {Verdict.COMPLETE}
        assert report.exit_code == 0
        assert report.total("proven") == 95

    def test_past_rewritten_and_signed_again(self) -> None:
        true, false = Process(1), Process(1, data_key=2)
        _, state = verified(topic(true.run(50, end=False)))
        report = again(topic(false.run(95)), state)
        assert report.exit_code == 3
        reasons = " ".join(finding.reason for finding in report.producers[0].of(Verdict.TAMPERED))
        assert "verified earlier" in reasons

    def test_verified_root_is_required_in_every_run(self) -> None:
        true, false = Process(1), Process(1, data_key=2)
        _, state = verified(topic(true.run(50, end=False)))
        trail = topic(false.run(95))
        for _ in range(3):
            verifier = Verifier([Signer().public], state=state, continued=False)
            verifier.observe_all(trail)
            state = VerifierState.from_bytes(verifier.state(now=LATER).to_bytes())
            assert verifier.report(now=LATER).exit_code == 3

    def test_source_with_less_than_was_verified(self) -> None:
        process = Process()
        records = topic(process.run(50, end=False))
        _, state = verified(records)
        (producer,) = again(records[:30], state).producers
        assert Verdict.TRUNCATED in producer.verdicts
        assert any("verified earlier" in finding.reason for finding in producer.of(Verdict.TRUNCATED))

    def test_producer_of_which_nothing_is_left(self) -> None:
        records = topic(Process(1).run(30))
        _, state = verified([*records, *topic(Process(2).run(30))])
        report = again(records, state)
        assert report.exit_code == 4
        gone = report.producer(Process(2).producer)
        assert {Verdict.MISSING, Verdict.TRUNCATED} <= gone.verdicts


class TestStateFile:
    def saved(self, tmp_path: Path, records: list[RawRecord]) -> Path:
        verifier = Verifier([Signer().public])
        verifier.observe_all(records)
        path = tmp_path / "verify.state"
        verifier.state(now=LATER).save(path)
        return path

    def test_file_is_read_as_it_was_written(self, tmp_path: Path) -> None:
        path = self.saved(tmp_path, topic(Process().run(95)))
        state = VerifierState.load(path)
        assert state is not None
        assert state.to_bytes() == path.read_bytes()
        assert path.stat().st_mode & 0o777 == 0o600
        assert list(tmp_path.iterdir()) == [path]

    def test_absent_file_is_no_state(self, tmp_path: Path) -> None:
        assert VerifierState.load(tmp_path / "verify.state") is None

    def test_altered_byte_is_found(self, tmp_path: Path) -> None:
        data = self.saved(tmp_path, topic(Process().run(12))).read_bytes()
        for at in range(0, len(data), 7):
            with pytest.raises((TamperedError, FormatError)):
                VerifierState.from_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])

    @pytest.mark.parametrize("data", [b"", b"\n", b"telemetry-verifier-state 4 00\n", b"x" * 500])
    def test_file_that_is_not_a_state(self, data: bytes) -> None:
        with pytest.raises(FormatError):
            VerifierState.from_bytes(data)

    def test_small_file_needs_little_memory(self, tmp_path: Path) -> None:
        path = self.saved(tmp_path, topic(Process().run(95)))
        tracemalloc.start()
        try:
            VerifierState.load(path)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 4 << 20

    def test_state_rolled_back(self, tmp_path: Path) -> None:
        records = topic(Process().run(95))
        path = self.saved(tmp_path, records[:50])
        older = path.read_bytes()
        state = VerifierState.load(path)
        assert state is not None
        verifier = Verifier([Signer().public], state=state)
        verifier.observe_all(records[50:])
        newer = verifier.state(now=LATER)
        newer.save(path)
        assert newer.previous == state.digest
        assert VerifierState.load(path, expected_digest=newer.digest) is not None
        path.write_bytes(older)
        with pytest.raises(TamperedError, match="rolled back"):
            VerifierState.load(path, expected_digest=newer.digest)

    def test_state_rolled_back_with_the_topic(self, tmp_path: Path) -> None:
        records = topic(Process().run(95))
        path = self.saved(tmp_path, records[:50])
        state = VerifierState.load(path)
        for report in (verify(records[50:60], state=state), verify(records[:60], state=state, continued=False)):
            assert report.verdict is Verdict.TRUNCATED
            assert report.exit_code == 4

    def test_state_removed(self, tmp_path: Path) -> None:
        with pytest.raises(TamperedError, match="removed"):
            VerifierState.load(tmp_path / "verify.state", expected_digest="00")

    def test_state_saved_to_absent_folder(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError):
            Verifier([]).state().save(tmp_path / "absent" / "verify.state")

    def test_link_in_place_of_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").write_bytes(b"theirs")
        (tmp_path / "verify.state").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(StorageError, match="symbolic link"):
            Verifier([]).state().save(tmp_path / "verify.state")
        assert (tmp_path / "elsewhere").read_bytes() == b"theirs"

    def test_state_that_contradicts_itself(self) -> None:
        _, state = verified(topic(Process().run(12, end=False)))
        state.streams[0].next += 1
        with pytest.raises(FormatError, match="contradicts itself"):
            Verifier([Signer().public], state=state)


def test_copies_of_an_earlier_run_are_uncompared() -> None:
    records = topic(Process().run(95))
    _, state = verified(records[:60])
    report, _ = verified([*records[20:30], *records[60:]], state)
    assert report.verdict is Verdict.COMPLETE
    assert report.total("uncompared") == 9


def test_conflict_without_checkpoint_is_saved() -> None:
    process = Process(data_key=3)
    records = [process.log() for _ in range(5)]
    false = altered(records[3]._replace(place=Place(TOPIC, 0, 99)), lambda value: value + b" ")
    placed = topic([*records, process.checkpoint(final=True)])
    _, state = verified([*placed[:3], false, *placed[3:5]])
    report, _ = verified(placed[5:], state)
    producer = report.producer(process.producer)
    assert (producer.verdict, producer.proven) == (Verdict.TAMPERED, 5)
    assert [finding.range for finding in producer.of(Verdict.TAMPERED)] == ["3"]


def test_new_data_key_raises_no_alarm() -> None:
    process = Process()
    records = topic([*process.run(20, end=False)])
    _, state = verified(records)
    process.data_key = DataKey(9)
    process.clock += timedelta(hours=2)
    report, _ = verified(topic(process.run(20)), state)
    assert report.verdict is Verdict.COMPLETE
