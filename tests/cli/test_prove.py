from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from telemetry.encryption.signing_key import SigningKey
from telemetry.testing import EmbeddedKafka
from tests.cli.test_verify import SignedTrail
from tests.support.in_process import Ended, run


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[SignedTrail]:
    """A trail to be spoiled."""
    with EmbeddedKafka() as kafka:
        yield SignedTrail(kafka, tmp_path, events=100)


class Proven(NamedTuple):
    """Proofs of two events of one trail."""

    public_key: str
    event_id: str
    proof: dict[str, Any]
    other_id: str
    other: dict[str, Any]

    def check(self, folder: Path, proof: dict[str, Any], *options: str) -> Ended:
        file = folder / "proof.json"
        file.write_text(json.dumps(proof), "utf-8")
        return run("verify-proof", str(file), "--public-key", self.public_key, *options)


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Proven:
    folder = tmp_path_factory.mktemp("proven")
    with EmbeddedKafka() as kafka:
        trail = SignedTrail(kafka, folder, events=100)
        proofs: list[Any] = []
        for sequence in (50, 90):
            event_id, file = _event_id(trail, sequence), folder / f"{sequence}.json"
            ended = _prove(trail, event_id, file)
            assert ended.code == 0, ended.err
            assert file.stat().st_mode & 0o777 == 0o600
            proofs += [event_id, json.loads(file.read_text("utf-8"))]
    return Proven(trail.public_key, *proofs)


def _prove(trail: SignedTrail, event_id: str, file: Path) -> Ended:
    return run(
        *("prove", event_id, "--out", str(file), "--public-key", trail.public_key, "--topic", trail.topic),
        *("--brokers", trail.kafka.bootstrap_servers, "--security-protocol", "PLAINTEXT"),
    )


def _event_id(trail: SignedTrail, sequence: int) -> str:
    needle = b'"sequence":%d,' % sequence
    value = next(record.value for record in trail.records() if record.value and needle in record.value)
    event_id: str = json.loads(value)["id"]
    return event_id


def test_proof_is_checked_offline(proven: Proven, tmp_path: Path) -> None:
    checked = proven.check(tmp_path, proven.proof, "--json")

    assert checked.code == 0, checked.err
    facts = json.loads(checked.out)
    assert (facts["id"], facts["sequence"], facts["type"]) == (proven.event_id, 50, "work")
    assert facts["checkpoint_size"] > 50


def test_untrusted_key_proves_nothing(proven: Proven, tmp_path: Path) -> None:
    stranger = SigningKey.create(tmp_path / "stranger", "correct horse", name="audit").public_key

    checked = proven._replace(public_key=stranger).check(tmp_path, proven.proof)

    assert checked.code == 3
    assert checked.err.startswith("error: ")


def test_proof_of_another_event_is_refused(proven: Proven, tmp_path: Path) -> None:
    assert proven.check(tmp_path, proven.proof, "--event-id", proven.event_id).code == 0

    refused = proven.check(tmp_path, proven.proof, "--event-id", proven.other_id)

    assert refused.code == 3
    assert proven.event_id in refused.err


def test_forged_proof_proves_nothing(proven: Proven, tmp_path: Path) -> None:
    proof, other = proven.proof, proven.other
    size = proof["checkpoint"].splitlines()[1]
    forged = {
        "the record of another event": {"value": other["value"]},
        "the path of another event": {"path": other["path"]},
        "another place": {"sequence": proof["sequence"] + 1},
        "another record in its own place": {"value": other["value"], "sequence": other["sequence"]},
        "a larger tree than was signed": {"checkpoint": proof["checkpoint"].replace(size, f"{size}0", 1)},
        "an altered attribute": {"value": proof["value"].replace('"type":"work"', '"type":"play"')},
        "no signature": {"checkpoint": proof["checkpoint"].partition("\n\n")[0] + "\n\n"},
        "no path": {"path": []},
    }
    for what, changes in forged.items():
        checked = proven.check(tmp_path, {**proof, **changes})
        assert checked.code == 3, what
        assert b"proven" not in checked.out, what


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"\xff\xfe", b'{"format":"telemetry-inclusion-proof"}'])
def test_file_that_is_no_proof(proven: Proven, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "proof.json"
    file.write_bytes(content)

    assert run("verify-proof", str(file), "--public-key", proven.public_key).code == 3


def test_absent_proof_file_and_absent_key(proven: Proven, tmp_path: Path) -> None:
    assert run("verify-proof", str(tmp_path / "absent"), "--public-key", proven.public_key).code == 2
    assert run("verify-proof", str(tmp_path / "absent")).code == 2


def test_no_trusted_checkpoint_covers_the_event(trail: SignedTrail, tmp_path: Path) -> None:
    event_id, file = _event_id(trail, 50), tmp_path / "proof.json"
    trail.rewrite([record for record in trail.records() if b"telemetry.checkpoint" not in (record.value or b"")])

    ended = _prove(trail, event_id, file)

    assert ended.code == 4
    assert "no checkpoint" in ended.err
    assert not file.exists()


def test_kafka_is_away(trail: SignedTrail, tmp_path: Path) -> None:
    event_id = _event_id(trail, 50)
    trail.kafka.stop_brokers()

    ended = _prove(trail, event_id, tmp_path / "proof.json")

    assert ended.code == 6, ended.err


def test_altered_record_is_not_proven(trail: SignedTrail, tmp_path: Path) -> None:
    event_id, file = _event_id(trail, 50), tmp_path / "proof.json"
    trail.rewrite(
        [
            record._replace(value=record.value.replace(b'"type":"work"', b'"type":"play"'))
            if record.value and b'"sequence":50,' in record.value
            else record
            for record in trail.records()
        ]
    )

    ended = _prove(trail, event_id, file)

    assert ended.code == 3, ended.err
    assert not file.exists()


def test_forged_copy_of_the_id_hides_nothing(trail: SignedTrail, tmp_path: Path) -> None:
    event_id, file, records = _event_id(trail, 50), tmp_path / "proof.json", trail.records()
    victim = next(record for record in records if record.value and b'"sequence":50,' in record.value)
    forged = victim._replace(value=(victim.value or b"").replace(b'"sequence":50,', b'"sequence":51,'))
    trail.rewrite([forged, *records])

    ended = _prove(trail, event_id, file)

    assert ended.code == 0, ended.err
    assert json.loads(file.read_text("utf-8"))["sequence"] == 50


def test_absent_event_and_malformed_id(trail: SignedTrail, tmp_path: Path) -> None:
    absent = _prove(trail, "0198c0de-0000-7000-8000-000000000000", tmp_path / "proof.json")
    wrong = _prove(trail, "../etc/passwd", tmp_path / "proof.json")

    assert (absent.code, wrong.code) == (4, 2)
    assert "not in the trail" in absent.err
    assert "EVENT_ID" in wrong.err


def test_existing_file_is_not_overwritten(trail: SignedTrail, tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    file.write_text("mine")

    assert _prove(trail, _event_id(trail, 3), file).code == 2
    assert file.read_text("utf-8") == "mine"
