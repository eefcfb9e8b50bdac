"""A forwarder that is killed, frozen, or joined by another one forwards each event at least once, in order."""

from __future__ import annotations

import gzip
import json
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions
from pydantic import SecretStr

from telemetry.config import AuditConfig, EncryptionConfig
from telemetry.exceptions import ConfigurationError, TransportAuthorizationError
from telemetry.forward.membership import Membership
from telemetry.sync import Telemetry
from tests.services.broker_rights import new_topic
from tests.services.kafka import KafkaBroker
from tests.support.siem import Reply, Siem, running
from tests.support.until import until

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]

PASSPHRASE = "correct horse battery staple"
_PATIENCE = 180.0


@pytest.fixture
def config(kafka: KafkaBroker, topic: str, tmp_path: Path) -> AuditConfig:
    values = kafka.audit_options("PLAINTEXT") | {"kafka_topic": topic}
    encryption = EncryptionConfig(
        provider="local_key", key_path=tmp_path / "audit.key", passphrase=SecretStr(PASSPHRASE)
    )
    return AuditConfig(**values, fallback_enabled=False, encryption_config=encryption)


@pytest.fixture
def siem() -> Iterator[Siem]:
    with running(Siem()) as server:
        yield server


def log(config: AuditConfig, numbers: range, *, users: int = 8) -> None:
    """Log numbered events of several users, over all partitions."""
    with Telemetry(config) as telemetry:
        for number in numbers:
            telemetry.audit.log("counted", {"n": number}, f"user-{number % users}")


class Forwarder:
    """One process of ``telemetry forward`` for the group ``siem``."""

    def __init__(self, config: AuditConfig, folder: Path, siem: Siem, *options: str, audit: str = "off") -> None:
        assert config.encryption_config is not None
        key = config.encryption_config.key_path
        file = folder / "telemetry.toml"
        file.write_text(
            f'[audit_config]\nkafka_brokers = "{config.kafka_brokers}"\nkafka_topic = "{config.kafka_topic}"\n'
            f'security_protocol = "PLAINTEXT"\nread_audit = "{audit}"\n[audit_config.encryption_config]\n'
            f'provider = "local_key"\nkey_path = "{key}"\npassphrase = "{PASSPHRASE}"\n'
        )
        command = [sys.executable, "-m", "telemetry", "forward", "-c", str(file), "--group", "siem"]
        command += ["--to", "http", "--url", siem.url, "--type", "counted", "--takeover", "6", *options]
        self.log = folder / "forward.log"
        with self.log.open("ab") as out:
            self.process = subprocess.Popen([*command, "--json", "--status", "0.2"], stdout=out, stderr=out)

    def states(self) -> list[str]:
        lines = self.log.read_text().splitlines()
        return [json.loads(line)["state"] for line in lines if line.startswith("{") and line.endswith("}")]

    def tail(self) -> str:
        return self.log.read_text()[-2_000:]

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        return self.process.wait(_PATIENCE)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(_PATIENCE)


@contextmanager
def forwarding(config: AuditConfig, folder: Path, siem: Siem, *options: str, audit: str = "off") -> Iterator[Forwarder]:
    folder.mkdir(exist_ok=True)
    forwarder = Forwarder(config, folder, siem, *options, audit=audit)
    try:
        yield forwarder
    finally:
        forwarder.stop()


def numbers_in(siem: Siem) -> list[int]:
    with siem.lock:
        return [document["payload"]["n"] for document in siem.documents if document["event_type"] == "counted"]


def await_all(siem: Siem, forwarder: Forwarder, numbers: range) -> None:
    until(
        lambda: set(numbers) <= set(numbers_in(siem)) or forwarder.process.poll() is not None,
        timeout=_PATIENCE,
        state=lambda: (len(set(numbers_in(siem))), forwarder.tail()),
    )
    assert forwarder.process.poll() is None, forwarder.log.read_text()


def assert_in_order(siem: Siem, *, users: int = 8) -> None:
    """Check that what the target saw first of each user came in the order of the calls."""
    found = list(dict.fromkeys(numbers_in(siem)))
    for user in range(users):
        of_user = [number for number in found if number % users == user]
        assert of_user == sorted(of_user)


def test_killed_at_random_moments_skips_nothing(config: AuditConfig, tmp_path: Path, siem: Siem) -> None:
    dice = random.Random(7)  # noqa: S311 - moments, no secret
    siem.delay = 0.02
    log(config, range(800))
    for _ in range(10):
        with forwarding(config, tmp_path, siem, "--batch", "10") as forwarder:
            before = len(siem.posts)
            until(
                lambda: len(siem.posts) > before or forwarder.process.poll() is not None,  # noqa: B023 - used at once
                timeout=_PATIENCE,
                state=forwarder.tail,
            )
            try:
                forwarder.process.wait(dice.uniform(0.0, 0.4))
            except subprocess.TimeoutExpired:
                forwarder.stop()
    siem.delay = 0.0
    with forwarding(config, tmp_path, siem) as forwarder:
        await_all(siem, forwarder, range(800))
        assert forwarder.end() == 0, forwarder.log.read_text()
    sent = len(numbers_in(siem))
    with forwarding(config, tmp_path, siem, "--once") as forwarder:
        assert forwarder.process.wait(_PATIENCE) == 0, forwarder.log.read_text()

    assert len(numbers_in(siem)) == sent
    assert_in_order(siem)


def test_killed_writer_of_objects_writes_nothing_twice(config: AuditConfig, tmp_path: Path, siem: Siem) -> None:
    dice = random.Random(11)  # noqa: S311 - moments, no secret
    lake = tmp_path / "lake"
    options = ("--to", "store", "--url", f"file://{lake}", "--batch", "7", "--batch-seconds", "0.1")

    def stored() -> list[int]:
        lines = [line for path in lake.rglob("*.gz") for line in gzip.decompress(path.read_bytes()).splitlines()]
        return [json.loads(line)["payload"]["n"] for line in lines]

    for first in range(0, 400, 100):
        # Each has something to do, however far the one before it came.
        log(config, range(first, first + 100))
        before = len(stored())
        with forwarding(config, tmp_path, siem, *options) as forwarder:
            until(lambda: len(stored()) > before, timeout=_PATIENCE, state=forwarder.tail)  # noqa: B023 - used at once
            try:
                forwarder.process.wait(dice.uniform(0.0, 0.3))
            except subprocess.TimeoutExpired:
                forwarder.stop()
    with forwarding(config, tmp_path, siem, *options) as forwarder:
        until(lambda: len(stored()) >= 400, timeout=_PATIENCE, state=forwarder.tail)
        assert forwarder.end() == 0, forwarder.tail()

    assert sorted(stored()) == list(range(400))


def test_second_one_waits_and_takes_over(config: AuditConfig, tmp_path: Path, siem: Siem) -> None:
    log(config, range(200))
    with forwarding(config, tmp_path / "a", siem, "--batch", "10") as first:
        until(lambda: siem.posts, timeout=_PATIENCE, state=first.tail)
        siem.delay = 0.05
        with forwarding(config, tmp_path / "b", siem, "--batch", "10") as second:
            await_all(siem, first, range(200))
            until(lambda: len(second.states()) > 1, timeout=_PATIENCE, state=second.tail)
            leads = [each for each in (first, second) if each.states()[-1] == "forwarding"]
            assert len(leads) <= 1
            (leader, other) = (first, second) if leads != [second] else (second, first)
            assert leader.end() == 0, leader.log.read_text()
            log(config, range(200, 400))
            await_all(siem, other, range(400))
            assert other.end() == 0, other.log.read_text()

    assert_in_order(siem)


def test_others_of_the_group_are_refused(config: AuditConfig, tmp_path: Path, siem: Siem) -> None:
    log(config, range(20))
    with forwarding(config, tmp_path / "a", siem) as first:
        await_all(siem, first, range(20))
        with forwarding(config, tmp_path / "b", siem, "--once") as second:
            assert second.process.wait(_PATIENCE) in (0, 6), second.tail()
            # Kafka may have given the lead to the one that joined, which found nothing left to do.
            assert second.states()[-1] in ("ended", "standby")
        until(lambda: first.states()[-1] == "forwarding", timeout=_PATIENCE, state=first.tail)
        command = [sys.executable, "-m", "telemetry", "tail", "-c", str(tmp_path / "a" / "telemetry.toml")]
        tail = subprocess.run([*command, "--group", "siem"], capture_output=True, timeout=_PATIENCE, check=False)
        assert (tail.returncode, tail.stdout) == (6, b""), tail.stderr
        assert first.end() == 0

    assert sorted(numbers_in(siem)) == list(range(20))


def test_frozen_one_is_replaced_and_changes_nothing(config: AuditConfig, tmp_path: Path, siem: Siem) -> None:
    log(config, range(100))
    with forwarding(config, tmp_path / "a", siem, "--batch", "10") as first:
        until(lambda: siem.posts, timeout=_PATIENCE, state=first.tail)
        first.process.send_signal(signal.SIGSTOP)
        with forwarding(config, tmp_path / "b", siem, "--batch", "10") as second:
            await_all(siem, second, range(100))
            log(config, range(100, 200))
            await_all(siem, second, range(200))
            first.process.send_signal(signal.SIGCONT)
            until(lambda: first.states()[-1:] == ["standby"], timeout=_PATIENCE, state=first.tail)
            assert second.end() == 0, second.log.read_text()
            log(config, range(200, 250))
            await_all(siem, first, range(250))

    sent = numbers_in(siem)
    assert sent.count(249) == 1


def test_outage_of_the_target_stops_and_goes_on(config: AuditConfig, tmp_path: Path, siem: Siem) -> None:
    siem.faults = [lambda _post, _ids: Reply(503, headers=(("Retry-After", "1"),))]
    log(config, range(300))
    with forwarding(config, tmp_path, siem, "--batch", "50") as forwarder:
        until(lambda: "away" in forwarder.states(), timeout=_PATIENCE, state=forwarder.tail)
        siem.faults = [lambda _post, _ids: Reply(401)]
        until(lambda: "refused" in forwarder.states(), timeout=_PATIENCE, state=forwarder.tail)
        assert numbers_in(siem) == []
        siem.faults = []
        await_all(siem, forwarder, range(300))
        assert forwarder.end() == 0

    assert sorted(numbers_in(siem)) == list(range(300))
    assert siem.token not in forwarder.log.read_text()
    assert_in_order(siem)


def test_partitions_that_are_added(config: AuditConfig, kafka: KafkaBroker, tmp_path: Path, siem: Siem) -> None:
    log(config, range(40))
    with forwarding(config, tmp_path, siem) as forwarder:
        await_all(siem, forwarder, range(40))
        admin = AdminClient(kafka.client_options("PLAINTEXT"))
        for future in admin.create_partitions([NewPartitions(config.kafka_topic, 9)]).values():
            future.result(60)
        log(config, range(40, 200), users=40)
        await_all(siem, forwarder, range(200))
        assert forwarder.end() == 0, forwarder.tail()

    partitions = {document["kafka"]["partition"] for document in siem.documents}
    assert len(partitions) > 4


def test_records_that_are_deleted_in_hand_are_not_lost(
    config: AuditConfig, kafka: KafkaBroker, tmp_path: Path, siem: Siem
) -> None:
    siem.faults = [lambda _post, _ids: Reply(503)]
    log(config, range(40))
    with forwarding(config, tmp_path, siem) as forwarder:
        until(lambda: "away" in forwarder.states(), timeout=_PATIENCE, state=forwarder.tail)
        admin = AdminClient(kafka.client_options("PLAINTEXT"))
        places = [TopicPartition(config.kafka_topic, partition, -1) for partition in range(4)]
        for deleted in admin.delete_records(places).values():
            deleted.result(60)
        seen = len(forwarder.states())
        # Longer than the time after which it looks at the topic.
        until(lambda: len(forwarder.states()) > seen + 60, timeout=_PATIENCE, state=forwarder.tail)
        siem.faults = []
        await_all(siem, forwarder, range(40))
        assert forwarder.end() == 0, forwarder.tail()


def test_broker_that_returns(own_kafka: Callable[..., KafkaBroker], tmp_path: Path, siem: Siem) -> None:
    broker = own_kafka()
    values = broker.audit_options("PLAINTEXT") | {"kafka_topic": new_topic(broker)}
    encryption = EncryptionConfig(
        provider="local_key", key_path=tmp_path / "audit.key", passphrase=SecretStr(PASSPHRASE)
    )
    config = AuditConfig(**values, fallback_enabled=False, encryption_config=encryption)
    log(config, range(50))
    with forwarding(config, tmp_path, siem, "--batch", "10") as forwarder:
        await_all(siem, forwarder, range(50))
        broker.kill()
        before = len(forwarder.states())
        until(lambda: len(forwarder.states()) > before + 25, timeout=_PATIENCE, state=forwarder.tail)
        broker.restart()
        log(config, range(50, 100))
        await_all(siem, forwarder, range(100))
        assert forwarder.end() == 0, forwarder.tail()

    assert_in_order(siem)


def test_group_that_kafka_refuses(kafka: KafkaBroker, topic: str) -> None:
    values = kafka.audit_options("SSL", client="stranger") | {"kafka_topic": topic}
    config = AuditConfig(**values, encryption_enabled=False, fallback_enabled=False)
    with pytest.raises(TransportAuthorizationError), Membership(config, group="siem", takeover=6.0):
        pytest.fail("it may not see the topic")
    kafka.add_acl("stranger", topic, ("READ", "DESCRIBE"))
    with (
        Membership(config, group="siem", takeover=6.0) as membership,
        pytest.raises(TransportAuthorizationError, match="READ on the group"),
    ):
        until(lambda: membership.wait_to_lead(0.2), timeout=_PATIENCE)
    consumer = Consumer(kafka.client_options("PLAINTEXT") | {"group.id": f"{topic}-other"})
    consumer.subscribe([topic])
    until(lambda: consumer.poll(0.1) or consumer.assignment(), timeout=_PATIENCE)
    plain = AuditConfig(**kafka.audit_options("PLAINTEXT"), encryption_enabled=False, fallback_enabled=False)
    plain = plain.model_copy(update={"kafka_topic": topic})
    for group, takeover, option in ((f"{topic}-other", 6.0, "--group"), ("siem", 3.0, "--takeover")):
        with (
            Membership(plain, group=group, takeover=takeover) as membership,
            pytest.raises(ConfigurationError, match=option),
        ):
            until(lambda: consumer.poll(0.1) or membership.wait_to_lead(0.2), timeout=_PATIENCE)
    consumer.close()


def test_ends_with_a_code_while_the_target_is_away(config: AuditConfig, tmp_path: Path, siem: Siem) -> None:
    siem.faults = [lambda _post, _ids: Reply(500)]
    log(config, range(10))
    with forwarding(config, tmp_path, siem, "--timeout", "1") as forwarder:
        until(lambda: "away" in forwarder.states(), timeout=_PATIENCE, state=forwarder.tail)
        assert forwarder.end() == 6
    siem.faults = []
    with forwarding(config, tmp_path, siem, "--once") as forwarder:
        assert forwarder.process.wait(_PATIENCE) == 0, forwarder.log.read_text()

    assert sorted(numbers_in(siem)) == list(range(10))
