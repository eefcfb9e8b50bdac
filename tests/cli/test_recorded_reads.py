"""Reads that are recorded leave a trail that verifies, in every command that opens events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.encryption.signing_key import SigningKey
from telemetry.testing import EmbeddedKafka
from tests.support.in_process import Ended, run
from tests.support.readable_trail import EVENTS, ReadableTrail


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[ReadableTrail]:
    with EmbeddedKafka() as kafka:
        yield ReadableTrail(kafka, tmp_path)


def _verify(trail: ReadableTrail, *keys: str) -> Ended:
    options = [part for key in keys for part in ("--public-key", key)]
    where = ("--brokers", trail.kafka.bootstrap_servers, "--security-protocol", "PLAINTEXT")
    return run("verify", "--json", *where, *options)


def _proven(trail: ReadableTrail, key: str, role: str) -> tuple[int, str]:
    """Return how many reads are proven where the trust file gives a key this role."""
    file = trail.folder / f"{role}.toml"
    file.write_text(f'version = 1\n[[key]]\npublic = "{key}"\nroles = ["{role}"]\nsources = ["/*/*"]\n')
    file.chmod(0o600)
    where = ("--brokers", trail.kafka.bootstrap_servers, "--security-protocol", "PLAINTEXT")
    ended = run("verify", "--json", *where, "--trust", str(file))
    assert ended.out, ended.err
    report = json.loads(ended.out)
    return sum(one["proven"] for one in report["producers"]), role


def test_signed_reads_leave_a_trail_that_verifies(trail: ReadableTrail) -> None:
    key = SigningKey.create(trail.folder / "signing", "correct horse", name="readers").public_key
    trail.configure(read_audit="required")
    unsigned = trail.file.read_text()
    table = {"key_path": str(trail.folder / "signing"), "passphrase": "correct horse"}
    lines = [f"{name} = {json.dumps(value)}" for name, value in table.items()]
    trail.file.write_text("\n".join([unsigned, "[audit_config.signing_config]", *lines]))

    for command in (("tail",), ("export", "--out", str(trail.folder / "out.jsonl"))):
        assert trail.run(*command).code == 0

    report = json.loads(_verify(trail, key).out)
    readers = [one for one in report["producers"] if one["proven"]]
    assert len(readers) == 2
    assert {reader["source"].rpartition("/")[2] for reader in readers} == {"telemetry-reader"}
    # As the trust file says: the role of a reader is needed, and that of the service whose trail was read is not enough.
    assert {_proven(trail, key, role) for role in ("reader", "service")} == {(2, "reader"), (0, "service")}
    assert {reader["verdict"] for reader in readers} == {"complete"}

    trail.file.write_text(unsigned)
    assert trail.run("tail").code == 0
    report = json.loads(_verify(trail, key).out)
    assert [one["verdict"] for one in report["producers"]] == ["complete"] * 2
    assert sum(report["foreign"]["sources"].values()) == 2  # its own stream, and the first one


def test_lineage_open_is_recorded_too(trail: ReadableTrail) -> None:
    event_id = trail.tail("--type", "report")[0]["id"]
    trail.configure(read_audit="required")

    closed = trail.run("lineage", event_id, "--json")
    opened = trail.run("lineage", event_id, "--json", "--open", "--as", "auditor", "--reason", "ticket 1")
    trail.configure()

    assert b'"carol"' in opened.out, opened.err
    assert b'"user_id":"carol"' not in closed.out
    (read,) = trail.tail("--type", "telemetry.read")
    assert (read["user_id"], read["payload"]["reason"]) == ("auditor", "ticket 1")
    assert read["payload"]["filters"] == {"ids": [event_id]}
    assert len(trail.tail()) == len(EVENTS) + 1


def test_unrecorded_read_opens_nothing(trail: ReadableTrail) -> None:
    event_id = trail.tail("--type", "report")[0]["id"]
    trail.configure(read_audit="required", kafka_timeout_ms=500, max_retries=0)
    text = trail.file.read_text()
    trail.file.write_text(text[: text.index("[audit_config.storage_config]")])
    trail.kafka.fail_produce(29, 100)

    for command in (("lineage", event_id, "--open"), ("tail",), ("export",)):
        ended = trail.run(*command)
        assert ended.code == 7, ended.err
        assert ended.out == b""
        assert "read_audit" in ended.err
