"""An archive is verified by what its values, files and seals are, never by what its columns say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from telemetry.archive.rows.columns import COLUMNS, Kind, Row, row
from telemetry.archive.rows.tables import sorted_table, table_of
from telemetry.archive.verifying.verification import ArchiveRequest, verify_archive
from telemetry.exceptions import ArchiveError
from telemetry.format.archive.seal import Ending, Redaction, SealKind
from telemetry.format.archive.seal_note import seal_name
from telemetry.reader.entry import RawRecord
from telemetry.reader.trust.judgement import Role
from telemetry.reader.trust.policy import TrustedKey, TrustPolicy
from telemetry.reader.verify.verdicts import Verdict, VerificationReport
from telemetry.reader.verify.verifier import Verifier
from telemetry.storage import StorageProviderFactory
from tests.support.archived_trail import ARCHIVER, SOURCE, ArchivedTrail
from tests.support.same_report import comparable, in_places
from tests.support.written_trail import LATER, Process, Signer, topic

SERVICE = TrustedKey(public=Signer().public, roles=frozenset({Role.SERVICE}), sources=("/production/payments",))
SEALS = TrustedKey(public=ARCHIVER.public, roles=frozenset({Role.ARCHIVER}), sources=(SOURCE,))
POLICY = TrustPolicy((SERVICE, SEALS))
VALUE, LEAF, PRODUCER, SEQUENCE, KIND = (
    COLUMNS.index(name) for name in ("value", "leaf", "producer", "sequence", "kind")
)


def trail(*, leaves: bool = False) -> list[RawRecord]:
    """Return the trail of four processes that run side by side."""
    lives = [Process(number, leaves=leaves).run(95) for number in range(1, 5)]
    return in_places(topic([record for together in zip(*lives, strict=True) for record in together], partitions=3))


def archived(folder: Path, records: list[RawRecord], **options: Any) -> ArchivedTrail:
    kept = ArchivedTrail(folder / "archive", group_rows=30)
    kept.append(records[: len(records) // 2], **options)
    kept.append(records[len(records) // 2 :])
    return kept


def verified(kept: ArchivedTrail, *, policy: TrustPolicy = POLICY, **options: Any) -> VerificationReport:
    return verify_archive(kept.storage, ArchiveRequest(policy=policy, **options), now=LATER)


def from_topic(records: Iterable[RawRecord]) -> VerificationReport:
    verifier = Verifier(POLICY)
    verifier.observe_all(records)
    return verifier.report(now=LATER)


def changed(kept: ArchivedTrail, **columns: Any) -> pa.Table:
    """Return the rows with other columns; a function makes each from its values."""
    table = kept.table()
    for name, change in columns.items():
        at = table.schema.get_field_index(name)
        values = [change(one) for one in table.to_pylist()]
        table = table.set_column(at, table.schema.field(at), pa.array(values, table.schema.field(at).type))
    return sorted_table(table)


@pytest.mark.parametrize("jobs", [1, 2])
class TestColumnsThatLie:
    def test_rows_under_other_producers(self, tmp_path: Path, jobs: int) -> None:
        records = trail()
        others = [Process(number).producer for number in range(1, 5)]

        def lie(rows: list[Row]) -> Iterable[Row]:
            for number, each in enumerate(rows):
                lied = list(each)
                if number % 7 == 0 and each[KIND] == "event":
                    lied[PRODUCER] = others[number // 7 % 4]
                yield tuple(lied)

        report = verified(archived(tmp_path, records, edit=lie), jobs=jobs)

        assert comparable(report) == comparable(from_topic(records))

    def test_rows_of_producers_that_are_none(self, tmp_path: Path, jobs: int) -> None:
        records = trail()

        def lie(rows: list[Row]) -> Iterable[Row]:
            return [
                (
                    *each[:PRODUCER],
                    (None if n % 5 else "nobody") if each[KIND] == "event" else each[PRODUCER],
                    *each[PRODUCER + 1 :],
                )
                for n, each in enumerate(rows)
            ]

        report = verified(archived(tmp_path, records, edit=lie), jobs=jobs)

        assert comparable(report) == comparable(from_topic(records))

    def test_sequences_of_other_rows(self, tmp_path: Path, jobs: int) -> None:
        records = trail()

        def lie(rows: list[Row]) -> Iterable[Row]:
            return [(*each[:SEQUENCE], 94 - (each[SEQUENCE] or 0), *each[SEQUENCE + 1 :]) for each in rows]

        report = verified(archived(tmp_path, records, edit=lie), jobs=jobs)

        assert comparable(report) == comparable(from_topic(records))

    def test_leaves_that_are_none(self, tmp_path: Path, jobs: int) -> None:
        records = trail()
        kept = archived(
            tmp_path, records, edit=lambda rows: [(*one[:LEAF], bytes(32), *one[LEAF + 1 :]) for one in rows]
        )

        assert verified(kept, jobs=jobs).verdict is Verdict.COMPLETE


def test_reordered_records_of_one_user_in_two_shares(tmp_path: Path) -> None:
    records = trail()
    first, second = [at for at, one in enumerate(records) if one.key == b"user-1:payments"][4:12:4]
    records[first], records[second] = records[second], records[first]
    records = in_places(records)

    report = verified(archived(tmp_path, records), jobs=2)

    wanted = from_topic(records)
    assert wanted.verdict is Verdict.REORDERED
    assert comparable(report) == comparable(wanted)


class TestFiles:
    def test_row_removed_under_its_seal(self, tmp_path: Path) -> None:
        kept = archived(tmp_path, trail())
        (name, *_) = kept.live
        shorter = kept.table_of(name).slice(1)
        (written,) = kept.write(shorter)
        replace_file(kept, name, written.name)

        report = verified(kept)

        assert report.exit_code == 3
        assert {finding.field for finding in report.findings if finding.place == name} >= {"size", "rows"}
        assert any(producer.of(Verdict.MISSING) for producer in report.producers)

    def test_file_removed(self, tmp_path: Path) -> None:
        kept = archived(tmp_path, trail())
        name = next(iter(kept.live))
        with StorageProviderFactory.create(kept.storage) as store:
            store.delete(name)

        for jobs in (1, 2):
            report = verified(kept, jobs=jobs)
            assert report.exit_code == 4
            assert any(finding.verdict is Verdict.MISSING and finding.place == name for finding in report.findings)

    def test_file_that_is_no_parquet(self, tmp_path: Path) -> None:
        kept = archived(tmp_path, trail())
        name = next(iter(kept.live))
        with StorageProviderFactory.create(kept.storage) as store:
            store.delete(name)
            store.put(name, b"PAR1 rubbish PAR1")

        report = verified(kept)

        assert any(finding.verdict is Verdict.TAMPERED and finding.place == name for finding in report.findings)

    def test_whole_producer_removed_with_a_new_seal(self, tmp_path: Path) -> None:
        kept = archived(tmp_path, trail())
        table = kept.table()
        gone = Process(2).producer
        rest = table.filter(pa.array([producer != gone for producer in table.column("producer").to_pylist()]))
        kept.replace(SealKind.EXPIRE, rest, ended=[Ending(policy="7 years", rows=0)])

        report = verified(kept)

        assert report.exit_code == 4
        assert [finding.verdict for finding in report.findings if gone in finding.reason] == [Verdict.MISSING]


class _Compacting:
    """Progress that replaces and deletes the files once the first rows were read."""

    def __init__(self, kept: ArchivedTrail) -> None:
        self._kept = kept
        self._is_done = False

    @contextmanager
    def step(self, label: str, *, total: int | None = None) -> Iterator[_Compacting]:
        del label, total
        yield self

    def expect(self, records: int) -> None:
        del records

    def advance(self, count: int = 1) -> None:
        del count
        if self._is_done:
            return
        self._is_done = True
        gone = list(self._kept.live)
        self._kept.replace(SealKind.COMPACT, sorted_table(self._kept.table()))
        with StorageProviderFactory.create(self._kept.storage) as store:
            for name in gone:
                store.delete(name)


def test_compaction_meanwhile_is_no_finding(tmp_path: Path) -> None:
    kept = archived(tmp_path, trail())

    with pytest.raises(ArchiveError, match="was compacted while it was verified"):
        verify_archive(kept.storage, ArchiveRequest(policy=POLICY), now=LATER, progress=_Compacting(kept))

    assert verified(kept).verdict is Verdict.COMPLETE


def test_no_room_to_sort_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = trail()
    first, second = [at for at, one in enumerate(records) if one.key == b"user-1:payments"][4:12:4]
    records[first], records[second] = records[second], records[first]
    kept = archived(tmp_path, in_places(records))

    def full(*_arguments: object, **_options: object) -> None:
        message = "no space left on device"
        raise duckdb.IOException(message)

    monkeypatch.setattr(duckdb, "connect", full)
    with pytest.raises(ArchiveError, match="TMPDIR"):
        verified(kept)


class TestSeals:
    def test_without_a_trusted_archiver_they_are_not_judged(self, tmp_path: Path) -> None:
        report = verified(archived(tmp_path, trail()), policy=TrustPolicy((SERVICE,)))

        assert report.exit_code == 4
        assert report.total("proven") == 380
        assert [finding.reason for finding in report.findings if "not judged" in finding.reason]
        assert report.archive is not None
        assert not report.archive.is_judged

    def test_seal_of_another_key(self, tmp_path: Path) -> None:
        kept = ArchivedTrail(tmp_path / "archive", signer=Signer(99, "stranger"))
        kept.append(trail())

        report = verified(kept)

        assert report.verdict is Verdict.UNVERIFIABLE

    def test_seal_removed(self, tmp_path: Path) -> None:
        kept = archived(tmp_path, trail())
        with StorageProviderFactory.create(kept.storage) as store:
            store.delete(seal_name(0))

        report = verified(kept)

        assert report.exit_code == 4
        assert any(finding.place == seal_name(0) for finding in report.findings)


class TestRemoved:
    def test_redacted_event(self, tmp_path: Path) -> None:
        kept = archived(tmp_path, trail())
        kept.replace(SealKind.REDACT, redacted(kept, {42}), redacted=[redaction(4)])

        for jobs in (1, 2):
            report = verified(kept, jobs=jobs)
            assert report.verdict is Verdict.COMPLETE
            assert (report.total("proven"), report.total("redacted")) == (380, 4)
            assert report.archive is not None
            assert report.archive.redacted == 4

    def test_redacted_event_with_another_leaf(self, tmp_path: Path) -> None:
        kept = archived(tmp_path, trail())
        kept.replace(SealKind.REDACT, redacted(kept, {42}, leaf=bytes(32)), redacted=[redaction(4)])

        assert verified(kept).verdict is Verdict.TAMPERED

    def test_more_redacted_than_sealed(self, tmp_path: Path) -> None:
        kept = archived(tmp_path, trail())
        kept.replace(SealKind.REDACT, redacted(kept, {42}), redacted=[redaction(3)])

        assert [finding.field for finding in verified(kept).findings] == ["redacted"]

    @pytest.mark.parametrize("has_leaves", [True, False])
    @pytest.mark.parametrize("leaves", [True, False])
    def test_ended_events(self, tmp_path: Path, *, has_leaves: bool, leaves: bool) -> None:
        kept = archived(tmp_path, trail(leaves=leaves))
        kept.replace(
            SealKind.EXPIRE, ended(kept, 20, 50, has_leaves=has_leaves), ended=[Ending(policy="7 years", rows=120)]
        )

        for jobs in (1, 2) if leaves else (1,):
            report = verified(kept, jobs=jobs)
            assert report.verdict is Verdict.COMPLETE
            assert report.total("ended") == 120

    @pytest.mark.parametrize("has_leaves", [True, False])
    def test_ended_events_of_an_untrusted_seal_are_missing(self, tmp_path: Path, *, has_leaves: bool) -> None:
        kept = archived(tmp_path, trail(leaves=True))
        kept.replace(
            SealKind.EXPIRE, ended(kept, 20, 50, has_leaves=has_leaves), ended=[Ending(policy="7 years", rows=120)]
        )

        report = verified(kept, policy=TrustPolicy((SERVICE,)))

        assert [producer.verdict for producer in report.producers] == [Verdict.MISSING] * 4
        assert report.total("ended") == 0

    def test_events_that_are_missing_have_not_ended(self, tmp_path: Path) -> None:
        kept = archived(tmp_path, trail(leaves=True))
        table = kept.table()
        rest = table.filter(
            pa.array([not 20 <= (one or 0) < 50 or kind != "event" for one, kind in sequences_of(table)])
        )
        kept.replace(SealKind.EXPIRE, rest, ended=[Ending(policy="7 years", rows=120)])

        assert [producer.verdict for producer in verified(kept).producers] == [Verdict.MISSING] * 4


def redaction(count: int) -> Redaction:
    return Redaction(request="R-1", count=count, by="dpo", reason="article 17")


def sequences_of(table: pa.Table) -> Iterable[tuple[int | None, str]]:
    return zip(table.column("sequence").to_pylist(), table.column("kind").to_pylist(), strict=True)


def redacted(kept: ArchivedTrail, sequences: set[int], *, leaf: bytes | None = None) -> pa.Table:
    """Return the rows with some events redacted."""
    why = {"at": None, "by": "dpo", "reason": "article 17", "request": "R-1"}

    def is_concerned(one: dict[str, Any]) -> bool:
        return one["kind"] == "event" and one["sequence"] in sequences

    return changed(
        kept,
        redacted=lambda one: why if is_concerned(one) else one["redacted"],
        leaf=lambda one: leaf if leaf is not None and is_concerned(one) else one["leaf"],
        value=lambda one: None if is_concerned(one) else one["value"],
    )


def ended(kept: ArchivedTrail, first: int, end: int, *, has_leaves: bool) -> pa.Table:
    """Return the rows in which a run of each producer has ended."""
    table = kept.table()
    is_left = [kind != "event" or not first <= (one or 0) < end for one, kind in sequences_of(table)]
    gone: dict[str, list[dict[str, Any]]] = {}
    for one in table.filter(pa.array([not left for left in is_left])).to_pylist():
        gone.setdefault(one["producer"], []).append(one)
    runs = [
        row(
            day=(events[0]["day"] - date(1970, 1, 1)).days,
            service=events[0]["service"],
            environment=events[0]["environment"],
            kind=Kind.ENDED.value,
            producer=producer,
            sequence=first,
            until=end,
            value=b"".join(each["leaf"] for each in sorted(events, key=lambda each: each["sequence"]))
            if has_leaves
            else None,
            redacted={"at": None, "by": "telemetry archive expire", "reason": "7 years", "request": ""},
        )
        for producer, events in gone.items()
    ]
    return sorted_table(pa.concat_tables([table.filter(pa.array(is_left)), table_of(runs)]))


def replace_file(kept: ArchivedTrail, name: str, by: str) -> None:
    """Put the bytes of one file in the place of another."""
    with StorageProviderFactory.create(kept.storage) as store:
        data = store.get(by)
        store.delete(name)
        store.put(name, data)


@pytest.mark.parametrize("jobs", [1, 2])
class TestLeavesOnly:
    def test_leaf_hashes_are_proven(self, tmp_path: Path, jobs: int) -> None:
        report = verified(archived(tmp_path, trail(leaves=True)), jobs=jobs, is_leaves_only=True)

        assert report.verdict is Verdict.COMPLETE
        assert (report.total("proven"), report.total("checkpoints"), report.records) == (380, 40, 420)
        assert report.archive is not None
        assert report.archive.is_leaves_only

    def test_altered_leaf_is_found(self, tmp_path: Path, jobs: int) -> None:
        def lie(rows: list[Row]) -> Iterable[Row]:
            return [(*one[:LEAF], bytes(32) if n == 50 else one[LEAF], *one[LEAF + 1 :]) for n, one in enumerate(rows)]

        report = verified(archived(tmp_path, trail(), edit=lie), jobs=jobs, is_leaves_only=True)

        assert report.verdict is Verdict.TAMPERED

    def test_removed_events(self, tmp_path: Path, jobs: int) -> None:
        kept = archived(tmp_path, trail())
        kept.replace(SealKind.REDACT, redacted(kept, {72}), redacted=[redaction(4)])
        kept.replace(SealKind.EXPIRE, ended(kept, 20, 47, has_leaves=True), ended=[Ending(policy="7 years", rows=108)])

        report = verified(kept, jobs=jobs, is_leaves_only=True)

        assert report.verdict is Verdict.COMPLETE
        assert (report.total("proven"), report.total("redacted"), report.total("ended")) == (380, 4, 108)

    def test_missing_event(self, tmp_path: Path, jobs: int) -> None:
        records = [record for record in trail() if b'"sequence":42,' not in (record.value or b"")]

        report = verified(archived(tmp_path, records), jobs=jobs, is_leaves_only=True)

        assert [producer.of(Verdict.MISSING)[0].range for producer in report.producers] == ["42"] * 4
