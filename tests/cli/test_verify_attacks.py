"""Attacks on a trail, and on the verifier's state, through the command: verdict and exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.format.objects.fallback_object import StoredRecord, encode_object
from telemetry.format.objects.stored_name import object_name
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader import KafkaSource, Place, RawRecord
from telemetry.reader.verify.verifier import Verifier
from telemetry.testing import EmbeddedKafka
from telemetry.trail import verifying
from tests.cli.test_verify import SignedTrail
from tests.support.in_process import run
from tests.support.written_trail import Process, Signer

Attack = Callable[[list[RawRecord]], list[RawRecord]]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignedTrail]:
    with EmbeddedKafka() as kafka:
        yield SignedTrail(kafka, tmp_path_factory.mktemp("trail"), events=60)


@pytest.fixture
def trail(written: SignedTrail) -> Iterator[SignedTrail]:
    with written.for_one_test() as trail:
        yield trail


def at(records: list[RawRecord], sequence: int) -> int:
    return next(
        number for number, record in enumerate(records) if b'"sequence":%d,' % sequence in (record.value or b"")
    )


def is_checkpoint(record: RawRecord) -> bool:
    return b'"telemetry.checkpoint"' in (record.value or b"")


def deleted(records: list[RawRecord]) -> list[RawRecord]:
    del records[at(records, 30)]
    return records


def duplicated(records: list[RawRecord]) -> list[RawRecord]:
    return [*records, records[at(records, 30)]]


def duplicated_with_another_byte(records: list[RawRecord]) -> list[RawRecord]:
    copy = records[at(records, 30)]
    return [*records, copy._replace(value=(copy.value or b"").replace(b'"type":"work"', b'"type":"worx"'))]


def reordered(records: list[RawRecord]) -> list[RawRecord]:
    one, other = at(records, 30), at(records, 35)
    records[one], records[other] = records[other], records[one]
    return records


def cut_off(_: list[RawRecord]) -> list[RawRecord]:
    """Of a process that signed in between."""
    return Process().run(60, every=20)[:45]


def without_checkpoints(records: list[RawRecord]) -> list[RawRecord]:
    return [record for record in records if not is_checkpoint(record)]


def another_value(records: list[RawRecord]) -> list[RawRecord]:
    victim, other = at(records, 30), records[at(records, 31)]
    records[victim] = records[victim]._replace(value=(other.value or b"").replace(b'"sequence":31,', b'"sequence":30,'))
    return records


def keys_swapped(records: list[RawRecord]) -> list[RawRecord]:
    one, other = at(records, 30), at(records, 31)
    ours, theirs = records[one].key, records[other].key
    records[one], records[other] = records[one]._replace(key=theirs), records[other]._replace(key=ours)
    return records


def with_a_forged_end(records: list[RawRecord]) -> list[RawRecord]:
    forger = Process(signer=Signer(66, "audit"))
    forger.run(10)
    return [*records, forger.checkpoint(final=True)]


@pytest.mark.parametrize(
    ("attack", "code", "verdict"),
    [
        (list, 0, "complete"),
        (deleted, 4, "missing"),
        (duplicated, 0, "complete"),
        (duplicated_with_another_byte, 3, "tampered"),
        (reordered, 3, "reordered"),
        (cut_off, 4, "truncated"),
        (without_checkpoints, 4, "unverifiable"),
        (another_value, 3, "tampered"),
        (keys_swapped, 3, "tampered"),
        (with_a_forged_end, 0, "foreign"),
        (lambda _: [], 4, "unverifiable"),
    ],
)
def test_attack_is_detected(trail: SignedTrail, attack: Attack, code: int, verdict: str) -> None:
    trail.rewrite(attack(trail.records()))

    exit_code, report = trail.verify("--public-key", Signer().public_key)

    assert (exit_code, report["verdict"]) == (code, verdict)


def test_records_in_the_fallback_are_not_missing(trail: SignedTrail, tmp_path: Path) -> None:
    records = trail.records()
    taken = [records.pop(at(records, sequence)) for sequence in (30, 31, 32)]
    trail.rewrite(records)
    assert trail.verify()[0] == 4

    producer = json.loads(taken[0].value or b"")["producer"]
    stored = [StoredRecord(record.key or b"", record.value or b"", 30 + n) for n, record in enumerate(taken)]
    created = "0198c0de-1111-7222-8333-444455556666"
    name = object_name(trail.topic, created_uuid7=created, day="2026/01/02", producer=producer, first=30, last=32)
    path = tmp_path / "store" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(encode_object(stored, topic=trail.topic, producer=producer, reason="unreachable"))

    assert trail.verify("--fallback-path", str(tmp_path / "store"))[0] == 0


class StoredRecords:
    """A fallback store, as the command reads it."""

    def __init__(self, records: list[RawRecord]) -> None:
        self._records = records

    def with_held(self) -> list[RawRecord]:
        return list(self._records)


def test_object_replayed_during_the_verification(
    trail: SignedTrail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = trail.records()
    taken = records.pop(at(records, 30))
    trail.rewrite(records)
    stored = [taken._replace(place=Place(trail.topic, None, 2, "object.jsonl"))]
    monkeypatch.setattr(verifying, "open_fallback", lambda _config, _stack: StoredRecords(stored))

    def replayed_first(self: KafkaSource) -> Iterator[RawRecord]:
        # What the store yields later is on the topic now, after the end that was read.
        stored.clear()
        return iter(records)

    monkeypatch.setattr(KafkaSource, "__iter__", replayed_first)
    config = {"kafka_brokers": trail.kafka.bootstrap_servers, "kafka_topic": trail.topic, "fallback_enabled": False}
    audit = AuditConfig(
        **config,  # type: ignore[arg-type]  # each value has the type of its field
        security_protocol="PLAINTEXT",
        encryption_enabled=False,
        storage_config={"provider": "local_file", "base_path": tmp_path / "store"},  # type: ignore[arg-type]  # as in a file
    )
    verifier = Verifier([PublicKey.parse(trail.public_key)])
    verifying.read_into(verifier, TelemetryConfig(audit_config=audit))

    assert verifier.report().exit_code == 0


def test_live_producer_is_not_truncated(trail: SignedTrail) -> None:
    process = Process()
    process.clock = datetime.now(UTC)
    trail.rewrite(process.run(45, every=20, end=False))
    key = "--public-key", Signer().public_key

    assert trail.verify(*key, "--live", "3600")[0] == 0
    assert trail.verify(*key)[0] == 4


def test_beginning_deleted_by_retention(trail: SignedTrail) -> None:
    records = trail.records()
    first = [at(records, sequence) for sequence in range(20)]
    trail.rewrite([record for number, record in enumerate(records) if number not in first])

    assert trail.verify()[0] == 4
    assert trail.verify("--after-retention")[0] == 0


class TestState:
    def test_continues_where_it_stopped(self, trail: SignedTrail, tmp_path: Path) -> None:
        state = str(tmp_path / "state")
        records = trail.records()
        trail.rewrite(records[: len(records) // 2])
        first = trail.verify("--state", state, "--continue", "--live", "3600")
        trail.append(records[len(records) // 2 :])
        second = trail.verify("--state", state, "--continue")

        assert (second[0], second[1]["verdict"]) == (0, "complete")
        assert first[1]["records"] + second[1]["records"] == len(records)
        assert second[1]["proven"] == 60
        assert second[1]["continued_from"] == first[1]["state"]

    def test_topic_cut_since_the_last_run(self, trail: SignedTrail, tmp_path: Path) -> None:
        state = str(tmp_path / "state")
        records = trail.records()
        trail.rewrite(records)
        assert trail.verify("--state", state)[0] == 0
        trail.rewrite(records[:10])
        code, report = trail.verify("--state", state, "--continue")

        assert code == 4
        assert "it was cut or created again" in str(report["findings"])

    def test_rolled_back(self, trail: SignedTrail, tmp_path: Path) -> None:
        state = tmp_path / "state"
        trail.verify("--state", str(state))
        old = state.read_bytes()
        latest = trail.verify("--state", str(state))[1]["state"]
        state.write_bytes(old)

        code, _, err = trail.run("--state", str(state), "--expect-state", latest)

        assert code == 3
        assert "rolled back or replaced" in err

    @pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data.replace(b"\x00", b"\x01", 1)])
    def test_damaged(self, trail: SignedTrail, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
        state = tmp_path / "state"
        trail.verify("--state", str(state))
        state.write_bytes(damage(state.read_bytes()))

        code, _, err = trail.run("--state", str(state))

        assert code == 3
        assert "altered or damaged" in err

    def test_file_that_is_no_state(self, trail: SignedTrail, tmp_path: Path) -> None:
        state = tmp_path / "state"
        state.write_bytes(b"something else")

        code, _, err = trail.run("--state", str(state))

        assert code == 3
        assert "not a verifier's state" in err

    def test_removed_but_expected(self, trail: SignedTrail, tmp_path: Path) -> None:
        code, _, err = trail.run("--state", str(tmp_path / "state"), "--expect-state", "0" * 64)

        assert code == 3
        assert "it was removed" in err

    def test_of_another_trail(self, trail: SignedTrail, tmp_path: Path) -> None:
        state = str(tmp_path / "state")
        assert trail.verify("--state", state)[0] == 0
        trail.rewrite(Process().run(10))

        code, report = trail.verify("--state", state)

        assert code == 4
        assert "although 60 records were verified earlier" in str(report["producers"])


def test_source_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ended = run(
        *("verify", "--brokers", "127.0.0.1:1", "--security-protocol", "PLAINTEXT"),
        *("--public-key", Signer().public_key),
    )

    assert ended.code == 6, ended.err


def test_trail_cannot_steer_the_terminal(trail: SignedTrail) -> None:
    process = Process(signer=Signer(66, "[/bold][red]\N{RIGHT-TO-LEFT OVERRIDE}x"))
    process.source = "/[/]/[bold"
    trail.rewrite(process.run(10))

    code, out, err = trail.run(json=False)

    assert code == 4
    assert "[/bold][red]\\u202ex" in err
    assert "[bold" in out
    assert "Traceback" not in err


def test_report_that_cannot_be_written(trail: SignedTrail, tmp_path: Path) -> None:
    code, _, err = trail.run("--report", str(tmp_path / "nowhere" / "evidence.html"))

    assert code == 2
    assert "cannot be written" in err


def test_report_is_private_and_replaces_the_last(trail: SignedTrail, tmp_path: Path) -> None:
    trail.rewrite(Process(signer=Signer()).run(10))
    report = tmp_path / "evidence.html"
    report.write_text("of the last run")

    trail.run("--report", str(report))

    assert report.read_text().startswith("<!")
    assert report.stat().st_mode & 0o777 == 0o600
    assert [path for path in tmp_path.iterdir() if path.name.endswith(".part")] == []
