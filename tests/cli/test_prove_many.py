"""Several events are proven in one run, and their proofs are checked in one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from telemetry.testing import EmbeddedKafka
from tests.cli.test_verify import SignedTrail
from tests.support.in_process import Ended, run

ABSENT = "0198c0de-0000-7000-8000-000000000000"
SEQUENCES = range(10, 60, 2)


class Batch(NamedTuple):
    """A trail, and the ids of 25 of its events."""

    trail: SignedTrail
    ids: list[str]

    def prove(self, *arguments: str) -> Ended:
        trail = self.trail
        return run(
            *("prove", *arguments, "--public-key", trail.public_key, "--topic", trail.topic),
            *("--brokers", trail.kafka.bootstrap_servers, "--security-protocol", "PLAINTEXT"),
        )

    def check(self, *arguments: str) -> Ended:
        return run("verify-proof", *arguments, "--public-key", self.trail.public_key)


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Batch]:
    with EmbeddedKafka() as kafka:
        trail = SignedTrail(kafka, tmp_path_factory.mktemp("trail"), events=100)
        ids = [
            json.loads(record.value)["id"]
            for record in trail.records()
            if record.value and any(b'"sequence":%d,' % sequence in record.value for sequence in SEQUENCES)
        ]
        assert len(ids) == len(SEQUENCES)
        yield Batch(trail, ids)


@pytest.fixture(scope="module")
def proofs(batch: Batch, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("proofs") / "new"
    ended = batch.prove(*batch.ids, "--out", str(folder))
    assert ended.code == 0, ended.err
    assert folder.stat().st_mode & 0o777 == 0o700
    return [folder / f"{event_id}.proof.json" for event_id in batch.ids]


def lines(ended: Ended) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ended.out.splitlines()]


def test_proofs_of_a_list_are_those_of_single_runs(batch: Batch, tmp_path: Path) -> None:
    ids, folder, single = tmp_path / "ids.txt", tmp_path / "proofs", tmp_path / "single.json"
    ids.write_text("\n".join(batch.ids))

    ended = batch.prove("--ids", str(ids), "--out", str(folder), "--json")

    assert ended.code == 0, ended.err
    assert [(line["id"], line["proven"]) for line in lines(ended)] == [(event_id, True) for event_id in batch.ids]
    assert "25 of 25 proofs written" in ended.err
    for line in lines(ended)[::12]:
        assert batch.prove(line["id"], "--out", str(single)).code == 0
        assert Path(line["file"]).read_bytes() == single.read_bytes()
        assert Path(line["file"]).stat().st_mode & 0o777 == 0o600
        single.unlink()


def test_one_event_of_a_list_is_in_the_folder(batch: Batch, tmp_path: Path) -> None:
    ids = tmp_path / "ids.txt"
    ids.write_text(batch.ids[0])

    assert batch.prove("--ids", str(ids), "--out", str(tmp_path)).code == 0
    assert (tmp_path / f"{batch.ids[0]}.proof.json").exists()


def test_one_event_as_json(batch: Batch, tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    ended = batch.prove(batch.ids[0], "--out", str(file), "--json")
    (line,) = lines(ended)
    assert (ended.code, line["id"], line["file"], line["proven"]) == (0, batch.ids[0], str(file), True)


def test_absent_event_is_named_and_the_others_written(batch: Batch, tmp_path: Path) -> None:
    ended = batch.prove(batch.ids[0], ABSENT, batch.ids[1], "--out", str(tmp_path), "--json")

    assert ended.code == 4, ended.err
    assert [line["proven"] for line in lines(ended)] == [True, False, True]
    assert f"event {ABSENT} is not in the trail" in ended.err
    assert "2 of 3 proofs written" in ended.err
    assert not (tmp_path / f"{ABSENT}.proof.json").exists()
    assert (tmp_path / f"{batch.ids[1]}.proof.json").exists()


def test_altered_record_is_named_and_the_others_written(tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        trail = SignedTrail(kafka, tmp_path, events=100)
        records = trail.records()
        ids = [json.loads(record.value)["id"] for record in records if record.value and b'"sequence":5' in record.value]
        trail.rewrite(
            [
                record._replace(value=record.value.replace(b'"type":"work"', b'"type":"play"'))
                if record.value and b'"sequence":50,' in record.value
                else record
                for record in records
            ]
        )
        ended = Batch(trail, ids).prove(*ids, ABSENT, "--out", str(tmp_path / "proofs"), "--json")

    assert ended.code == 3, ended.err
    unproven = [line["id"] for line in lines(ended) if not line["proven"]]
    altered = next(
        json.loads(record.value or b"")["id"] for record in records if b'"sequence":50,' in (record.value or b"")
    )
    assert altered in unproven
    assert f"event {altered}: " in ended.err
    assert len(list((tmp_path / "proofs").iterdir())) == len(ids) + 1 - len(unproven)


def test_nothing_is_overwritten(batch: Batch, tmp_path: Path) -> None:
    mine = tmp_path / f"{batch.ids[1]}.proof.json"
    mine.write_text("mine")

    ended = batch.prove(*batch.ids, "--out", str(tmp_path))

    assert (ended.code, mine.read_text("utf-8")) == (2, "mine")
    assert list(tmp_path.iterdir()) == [mine]


def test_folder_that_is_a_file(batch: Batch, tmp_path: Path) -> None:
    file = tmp_path / "proofs"
    file.write_text("mine")
    ended = batch.prove(*batch.ids, "--out", str(file))
    assert (ended.code, file.read_text("utf-8")) == (2, "mine")
    assert "cannot be a folder" in ended.err


def test_all_proofs_are_checked(batch: Batch, proofs: list[Path]) -> None:
    people = batch.check(*map(str, proofs))
    machines = batch.check(*map(str, proofs), "--json")

    assert (people.code, machines.code) == (0, 0), people.err
    assert "25 of 25 files proven: events: 25" in people.err
    assert all(event_id.encode() in people.out for event_id in batch.ids)
    assert [line["id"] for line in lines(machines)] == batch.ids
    assert [line["file"] for line in lines(machines)] == [str(file) for file in proofs]


def test_copies_do_not_pass_for_events(batch: Batch, proofs: list[Path], tmp_path: Path) -> None:
    copy = tmp_path / "other.proof.json"
    copy.write_bytes(proofs[0].read_bytes())
    ended = batch.check(str(proofs[0]), str(copy))
    assert ended.code == 0
    assert "2 of 2 files proven: events: 1" in ended.err


def test_proof_that_does_not_hold_is_named(batch: Batch, proofs: list[Path], tmp_path: Path) -> None:
    forged, absent = tmp_path / "forged.json", tmp_path / "absent.json"
    forged.write_text(proofs[0].read_text("utf-8").replace("work", "play"))

    ended = batch.check(str(absent), str(proofs[1]), str(forged), "--json")
    unreadable = batch.check(str(absent), str(proofs[1]))

    assert (ended.code, unreadable.code) == (3, 2)
    assert [line["proven"] for line in lines(ended)] == [False, True, False]
    assert str(forged) in ended.err
    assert "1 of 3 files proven: events: 1" in ended.err


def test_event_id_goes_with_one_file(batch: Batch, proofs: list[Path]) -> None:
    ended = batch.check(str(proofs[0]), str(proofs[1]), "--event-id", batch.ids[0])
    assert (ended.code, ended.out) == (2, b"")
