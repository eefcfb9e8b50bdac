"""A trail whose KEK was lost is read with the offline recovery key."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.config import TelemetryConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from tests.support.in_process import Ended, run

PASSPHRASE = "correct horse battery staple"
ENVIRONMENT = {"TELEMETRY_RECOVERY_PASSPHRASE": PASSPHRASE}
EVENTS = 1_100


class Trail:
    """A service that logs with a recovery key among its recipients.

    Attributes:
        kek: File of the service's own key.
        recovery: File of the private recovery key.
        public: Public key that verifies the trail.
    """

    def __init__(self, kafka: EmbeddedKafka, folder: Path, *, events: int = EVENTS) -> None:
        self.kek, self.recovery = folder / "kek", folder / "recovery"
        self.brokers = kafka.bootstrap_servers
        created = run("keys", "recovery", "create", str(self.recovery), environment=ENVIRONMENT)
        assert created.code == 0, created.err
        signing = SigningKey.create(folder / "signing", PASSPHRASE, name="shop")
        self.public = signing.public_key
        config = TelemetryConfig(
            service_name="shop",
            audit_config={  # type: ignore[arg-type]
                "kafka_brokers": self.brokers,
                "security_protocol": "PLAINTEXT",
                "kafka_timeout_ms": 20_000,
                "fallback_enabled": False,
                "encryption_config": {
                    "provider": "local_key",
                    "key_path": self.kek,
                    "passphrase": PASSPHRASE,
                    "recipients": [{"provider": "recovery_key", "public_key": created.out.decode().strip()}],
                },
                "signing_config": {"key_path": folder / "signing", "passphrase": PASSPHRASE},
            },
        )
        with Telemetry(config) as telemetry:
            for number in range(events):
                telemetry.audit.log("payment", {"number": number}, f"user-{number % 7}")

    def run(self, command: str, *options: str) -> Ended:
        connection = ("-b", self.brokers, "--security-protocol", "PLAINTEXT")
        environment = {**ENVIRONMENT, "TELEMETRY_AUDIT_CONFIG__READ_AUDIT": "off"}
        return run(command, *connection, *options, environment=environment)


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trail]:
    with EmbeddedKafka() as kafka:
        yield Trail(kafka, tmp_path_factory.mktemp("trail"))


@pytest.mark.parametrize("command", [("tail", "--json"), ("export",)])
def test_lost_key_is_replaced_by_the_recovery_key(trail: Trail, command: tuple[str, ...]) -> None:
    lost = trail.kek.rename(trail.kek.with_name("lost"))
    try:
        ended = trail.run(*command, "--recovery-key", str(trail.recovery))
    finally:
        lost.rename(trail.kek)
    assert ended.code == 0, ended.err
    numbers = sorted(json.loads(line)["payload"]["number"] for line in ended.out.splitlines())
    assert numbers == list(range(EVENTS))


def test_one_event_is_opened_by_the_recovery_key(trail: Trail) -> None:
    shown = trail.run("tail", "--json", "--recovery-key", str(trail.recovery))
    events = [json.loads(line) for line in shown.out.splitlines()]
    # One that names no recipients itself, in the middle of the trail.
    event = next(event for event in events if event["payload"]["number"] == EVENTS // 2)
    assert "recipients" not in event
    ended = trail.run("lineage", event["id"], "--open", "--json", "--recovery-key", str(trail.recovery))
    assert ended.code == 0, ended.err
    assert json.dumps({"number": EVENTS // 2}) in json.dumps(json.loads(ended.out))


def test_own_key_reads_as_before(trail: Trail, tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    (tmp_path / "passphrase").chmod(0o600)
    key = ("--key-path", str(trail.kek), "--passphrase-file", str(tmp_path / "passphrase"))
    ended = trail.run("tail", "--json", *key)
    assert ended.code == 0, ended.err
    assert len(ended.out.splitlines()) == EVENTS


def test_trail_is_verified_without_a_key(trail: Trail) -> None:
    ended = trail.run("verify", "--json", "--public-key", trail.public)
    report = json.loads(ended.out)
    assert (ended.code, report["verdict"]) == (0, "complete"), ended.err
    assert sum(producer["proven"] for producer in report["producers"]) == EVENTS


def test_wrong_passphrase_of_the_recovery_key(trail: Trail, tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("wrong passphrase")
    (tmp_path / "passphrase").chmod(0o600)
    file = ("--recovery-passphrase-file", str(tmp_path / "passphrase"))
    ended = trail.run("tail", "--last", "1", "--recovery-key", str(trail.recovery), *file)
    assert ended.code in (3, 5)
    assert "passphrase is wrong" in ended.err
    assert "wrong passphrase" not in ended.err


def test_read_by_the_recovery_key_is_recorded(tmp_path: Path) -> None:
    # A trail of its own: the record of the read is in it afterwards.
    with EmbeddedKafka() as kafka:
        _read_twice(Trail(kafka, tmp_path, events=10))


def _read_twice(trail: Trail) -> None:
    def read() -> list[str]:
        connection = ("-b", trail.brokers, "--security-protocol", "PLAINTEXT", "--service-name", "auditor")
        ended = run("tail", "--json", *connection, "--recovery-key", str(trail.recovery), environment=ENVIRONMENT)
        assert ended.code == 0, ended.err
        return [json.loads(line)["event_type"] for line in ended.out.splitlines()]

    # The record of the first read is sealed for the recovery key, which opens it in the second.
    assert "telemetry.read" not in read()
    assert read().count("telemetry.read") == 1


def test_passphrase_of_the_recovery_key_changes(tmp_path: Path) -> None:
    path = str(tmp_path / "recovery")
    created = run("keys", "recovery", "create", path, environment=ENVIRONMENT)
    new = {"TELEMETRY_PASSPHRASE": PASSPHRASE, "TELEMETRY_NEW_PASSPHRASE": "another horse battery"}
    changed = run("keys", "change-passphrase", path, environment=new)
    again = run("keys", "change-passphrase", path, environment=new)
    shown = run("keys", "recovery", "show", path)
    assert (changed.code, again.code) == (0, 2), changed.err
    assert shown.out == created.out


def test_recovery_key_file(trail: Trail) -> None:
    shown = run("keys", "recovery", "show", str(trail.recovery))
    again = run("keys", "recovery", "create", str(trail.recovery), environment=ENVIRONMENT)
    assert shown.out.startswith(b"x25519:")
    assert stat.S_IMODE(trail.recovery.stat().st_mode) == 0o600
    assert again.code == 2
    assert PASSPHRASE not in trail.recovery.read_text()
