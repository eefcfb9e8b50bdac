"""A reader of a consumer group that dies continues at its next start: each event at least once, none skipped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from pydantic import SecretStr

from telemetry import open_trail
from telemetry.config import AuditConfig, EncryptionConfig
from telemetry.reader import KafkaSource, OpenedEvent, ReadRange
from telemetry.sync import Telemetry
from tests.services.kafka import KafkaBroker
from tests.support.raw_records import raw_records

pytestmark = pytest.mark.services

PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def config(kafka: KafkaBroker, topic: str, tmp_path: Path) -> AuditConfig:
    values = kafka.audit_options("PLAINTEXT") | {"kafka_topic": topic}
    encryption = EncryptionConfig(
        provider="local_key", key_path=tmp_path / "audit.key", passphrase=SecretStr(PASSPHRASE)
    )
    return AuditConfig(**values, fallback_enabled=False, encryption_config=encryption)


def log(config: AuditConfig, numbers: range, *, users: int = 8) -> None:
    """Log numbered events of several users, over all partitions."""
    with Telemetry(config) as telemetry:
        for number in numbers:
            telemetry.audit.log("counted", {"n": number}, f"user-{number % users}")


@contextmanager
def following(config: AuditConfig, folder: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``telemetry tail --follow`` for the group ``siem``."""
    file = folder / "telemetry.toml"
    file.write_text(
        f'[audit_config]\nkafka_brokers = "{config.kafka_brokers}"\nkafka_topic = "{config.kafka_topic}"\n'
        f'security_protocol = "PLAINTEXT"\nread_audit = "off"\n[audit_config.encryption_config]\n'
        f'provider = "local_key"\nkey_path = "{folder / "audit.key"}"\npassphrase = "{PASSPHRASE}"\n'
    )
    command = [sys.executable, "-m", "telemetry", "tail", "-c", str(file), "--json", "--group", "siem", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def number_in(line: bytes) -> int:
    number: int = json.loads(line)["payload"]["n"]
    return number


def read_until(tail: subprocess.Popen[bytes], wanted: set[int]) -> list[int]:
    """Return the numbers that are printed, up to the last one of those that are wanted."""
    assert tail.stdout is not None
    found: list[int] = []
    while not wanted <= set(found):
        line = tail.stdout.readline()
        assert line, tail.stderr.read().decode() if tail.stderr is not None else ""
        found.append(number_in(line))
    return found


def test_reader_killed_twice_skips_nothing(config: AuditConfig, tmp_path: Path) -> None:
    seen: list[list[int]] = []
    for part in range(2):
        log(config, range(part * 200, part * 200 + 200))
        with following(config, tmp_path, "--follow", "--type", "counted") as tail:
            read = read_until(tail, {part * 200, part * 200 + 50})
            tail.send_signal(signal.SIGKILL)
            assert tail.stdout is not None
            # What it had written is in the pipe; its last line may be torn.
            seen.append(read + [number_in(line) for line in tail.stdout.readlines() if line.endswith(b"\n")])
    log(config, range(400, 600))
    with following(config, tmp_path, "--follow", "--type", "counted") as tail:
        seen.append(read_until(tail, set(range(600)).difference(*seen)))

    assert set().union(*seen) == set(range(600))
    for read in seen:
        for user in range(8):
            of_user = [number for number in read if number % 8 == user]
            assert of_user == sorted(of_user)


def test_reader_that_ends_repeats_what_was_in_hand(config: AuditConfig, tmp_path: Path) -> None:
    log(config, range(50))
    with following(config, tmp_path, "--follow", "--type", "counted") as tail:
        first = read_until(tail, set(range(50)))
        tail.send_signal(signal.SIGINT)
        rest, errors = tail.communicate(timeout=180)
    assert (tail.returncode, rest) == (0, b""), errors
    log(config, range(50, 60))
    with following(config, tmp_path, "--type", "counted") as tail:
        printed, errors = tail.communicate(timeout=180)

    assert tail.returncode == 0, errors
    again = [number_in(line) for line in printed.splitlines()]
    repeated = [number for number in again if number < 50]
    assert sorted(first) == list(range(50))
    assert sorted(set(again) - set(repeated)) == list(range(50, 60))
    # The interrupt may have come before the event after the last one was asked for.
    assert repeated in ([], first[-1:])


def test_event_in_hand_is_read_again(config: AuditConfig) -> None:
    log(config, range(6), users=1)
    config = config.model_copy(update={"read_audit": "off"})
    found: list[list[int]] = []
    for count in (3, 2, 9):
        with open_trail(config, within=ReadRange(group="siem")) as trail:
            events = (entry.event for entry in trail if isinstance(entry, OpenedEvent))
            counted = (event.payload["n"] for event in events if event.event_type == "counted")
            found.append(list(islice(counted, count)))

    assert found == [[0, 1, 2], [2, 3], [3, 4, 5]]


def test_reader_whose_output_is_closed(config: AuditConfig, tmp_path: Path) -> None:
    log(config, range(20))
    with following(config, tmp_path, "--type", "counted") as tail:
        assert tail.stdout is not None
        tail.stdout.close()
        tail.wait(180)
    with following(config, tmp_path, "--type", "counted") as tail:
        printed, errors = tail.communicate(timeout=180)

    assert tail.returncode == 0, errors
    assert sorted(map(number_in, printed.splitlines())) == list(range(20))


def test_group_of_a_topic_that_was_replaced(
    config: AuditConfig, kafka: KafkaBroker, caplog: pytest.LogCaptureFixture
) -> None:
    within = ReadRange(group="siem")
    log(config, range(9), users=1)
    with KafkaSource(config, within=within) as source:
        before = raw_records(source)
    smaller = {partition: max(end - 1, 0) for partition, (_, end) in source.bounds.items()}
    consumer = Consumer(kafka.client_options("PLAINTEXT") | {"group.id": "siem"})
    places = [TopicPartition(config.kafka_topic, partition, end + 100) for partition, end in smaller.items()]
    consumer.commit(offsets=places, asynchronous=False)
    consumer.close()
    with KafkaSource(config, within=within) as source:
        again = raw_records(source)

    assert len(again) == len(before)
    assert "it is another topic now" in caplog.text


def test_group_begins_at_a_time_only_once(config: AuditConfig) -> None:
    log(config, range(5), users=1)
    late = ReadRange(group="siem", since=time.time() + 3_600)
    with KafkaSource(config, within=late) as source:
        assert raw_records(source) == []
    log(config, range(5, 9), users=8)
    with KafkaSource(config, within=late) as source:
        keys = {(record.key or b"").partition(b":")[0] for record in raw_records(source)}

    assert keys >= {b"user-5", b"user-6", b"user-7"}, keys


def test_group_continues_at_the_first_that_is_not_confirmed(config: AuditConfig) -> None:
    log(config, range(6), users=1)
    config = config.model_copy(update={"read_audit": "off"})
    found: list[list[int]] = []
    # Of five that were read, all but the third are confirmed, in any order.
    for confirmed in ((4, 0, 1, 3), (2, 3, 4, 5)):
        with open_trail(config, within=ReadRange(group="siem", confirmed=True)) as trail:
            entries = [entry for entry in trail if isinstance(entry, OpenedEvent)]
            counted = {entry.event.payload["n"]: entry for entry in entries if entry.event.event_type == "counted"}
            found.append(sorted(counted))
            for number in confirmed:
                trail.confirm(counted[number])

    assert found == [[0, 1, 2, 3, 4, 5], [2, 3, 4, 5]]
