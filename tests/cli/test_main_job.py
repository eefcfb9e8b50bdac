from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.services.fixtures import new_topic
from tests.services.kafka import KafkaBroker
from tests.support.in_process import Ended, run
from tests.support.trail_events import make_events, user_of
from tests.support.until import until

EVENTS = 1_450
LOG_OPTIONS = (
    "--event-type-field=eventName",
    "--user-id-field=userIdentity.arn,userIdentity.principalId",
    "--user-id=unknown",
    "--field=ip_address=sourceIPAddress",
)

PATIENT: dict[str, Any] = {"kafka_timeout_ms": 60_000, "max_retries": 1}
"""No broker that runs, however busy the machine is, is taken for one that is away."""
IMPATIENT: dict[str, Any] = {"kafka_timeout_ms": 1_000, "max_retries": 1, "fallback_object_seconds": 0.5}
"""For the phases in which the broker is away."""

pytestmark = pytest.mark.services


class Trail:
    """A configuration file, and the command run with it.

    Args:
        folder: Folder of configuration, key and fallback store.
        broker: The Kafka that the command logs to.
        topic: Topic of the trail.
        storage: Configuration of the fallback store; default: a folder.
        audit: Further fields of the ``AuditConfig``.
    """

    def __init__(
        self, folder: Path, broker: KafkaBroker, topic: str, *, storage: dict[str, Any] | None = None, **audit: Any
    ) -> None:
        self.folder = folder
        self.fallback = folder / "fallback"
        self.config = folder / "telemetry.toml"
        self.service = "trail"
        self._options = broker.audit_options("SSL") | {"kafka_topic": topic} | PATIENT
        self.tables: dict[str, dict[str, Any]] = {
            "kafka_config": self._options.pop("kafka_config"),
            "encryption_config": {
                "provider": "local_key",
                "key_path": str(folder / "key"),
                "passphrase": "correct horse",
            },
            "storage_config": storage or {"provider": "local_file", "base_path": str(self.fallback)},
        }
        self.configure(**audit)

    def configure(self, **audit: Any) -> None:
        """Write the configuration file anew, with these fields of the ``AuditConfig`` on top of the usual ones."""
        lines = [f'service_name = "{self.service}"', "[audit_config]", *_toml(self._options | audit)]
        for name, table in self.tables.items():
            lines += [f"[audit_config.{name}]", *_toml(table)]
        self.config.write_text("\n".join(lines))

    def start(self, command: str, *options: str) -> subprocess.Popen[bytes]:
        """Start the command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "telemetry", *command.split(), "-c", str(self.config), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run_alone(self, command: str, *options: str, stdin: bytes = b"") -> Ended:
        """Run the command in a process of its own."""
        process = self.start(command, *options)
        try:
            out, err = process.communicate(stdin, timeout=110)
        finally:
            process.kill()
        return Ended(process.returncode, out, err.decode())

    def run(self, command: str, *options: str, stdin: bytes = b"") -> Ended:
        """Run the command inside the test's process."""
        return run(*command.split(), "-c", str(self.config), *options, stdin=stdin)

    def log(self, events: Iterable[dict[str, Any]]) -> dict[str, Any]:
        return _counts(self.run("log", *LOG_OPTIONS, "--json", stdin=_lines(events)))

    def stored(self) -> list[str]:
        return [name for _, _, names in os.walk(self.fallback) for name in names if name.endswith(".tobj")]

    def tail(self) -> list[dict[str, Any]]:
        return _events(self.run("tail", "--json"))


def _counts(ended: Ended) -> dict[str, Any]:
    assert ended.code == 0, ended.err
    counts: dict[str, Any] = json.loads(ended.out)
    return counts


def _events(ended: Ended) -> list[dict[str, Any]]:
    assert ended.code == 0, ended.err
    return [json.loads(line) for line in ended.out.splitlines()]


def _until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait for something that a running process does."""
    until(lambda: process.poll() is not None or condition(), what="the work of a running process")
    assert process.poll() is None, "the process ended too early"


def _toml(table: dict[str, Any]) -> list[str]:
    return [f"{name} = {json.dumps(str(value) if isinstance(value, Path) else value)}" for name, value in table.items()]


def _lines(events: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(msgspec.json.encode(event) + b"\n" for event in events)


def _by_user(numbers: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    by_user = defaultdict(list)
    for user, number in numbers:
        by_user[user].append(number)
    return dict(by_user)


def _assert_complete(events: list[dict[str, Any]], read: list[dict[str, Any]]) -> None:
    first: dict[str, dict[str, Any]] = {}
    for event in read:
        first.setdefault(event["id"], event)
    payloads = {event["payload"]["number"]: event["payload"] for event in first.values()}
    assert payloads == {event["number"]: event for event in events}
    assert len(first) == len(events)
    logged = _by_user((user_of(event), event["number"]) for event in events)
    assert _by_user((event["user_id"], event["payload"]["number"]) for event in first.values()) == logged


def test_every_event_returns_over_mutual_tls(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    events = make_events(EVENTS, seed=1)
    trail = Trail(tmp_path, kafka, topic)

    counts = _counts(trail.run_alone("log", *LOG_OPTIONS, "--json", stdin=_lines(events)))

    del counts["mapping"]
    assert counts == {
        "logged": EVENTS,
        "bad": 0,
        "lost": 0,
        "delivered": EVENTS,
        "stored": 0,
        "spooled": 0,
        "failed": 0,
    }
    _assert_complete(events, _events(trail.run_alone("tail", "--json")))


def test_broker_stopped_between_two_processes(own_kafka: Callable[..., KafkaBroker], tmp_path: Path) -> None:
    broker = own_kafka()
    trail = Trail(tmp_path, broker, new_topic(broker))
    events = make_events(EVENTS, seed=2)
    half = EVENTS // 2

    assert trail.log(events[:half])["delivered"] == half
    broker.stop()
    trail.configure(**IMPATIENT)
    counts = trail.log(events[half:])
    assert counts["stored"] == EVENTS - half
    assert trail.stored()

    broker.start()
    trail.configure()
    process = trail.start("log", *LOG_OPTIONS)
    assert process.stdin is not None
    _until(lambda: not trail.stored(), process)
    process.communicate(timeout=180)
    assert trail.run("fallback replay")[0] == 0
    _assert_complete(events, trail.tail())


def test_broker_stopped_during_one_process(own_kafka: Callable[..., KafkaBroker], tmp_path: Path) -> None:
    broker = own_kafka()
    trail = Trail(tmp_path, broker, new_topic(broker), **IMPATIENT)
    events = make_events(EVENTS, seed=3)
    third = EVENTS // 3
    process = trail.start("log", *LOG_OPTIONS, "--json")
    assert process.stdin is not None

    process.stdin.write(_lines(events[:third]))
    process.stdin.flush()
    broker.stop()
    process.stdin.write(_lines(events[third : 2 * third]))
    process.stdin.flush()
    _until(lambda: bool(trail.stored()), process)
    broker.start()
    process.stdin.write(_lines(events[2 * third :]))
    process.stdin.flush()
    _until(lambda: not trail.stored(), process)
    out, err = process.communicate(timeout=180)

    assert process.returncode == 0, err
    assert json.loads(out)["logged"] == EVENTS
    # Events that waited for the backlog when the input ended are in the fallback.
    trail.configure()
    assert trail.run("fallback replay")[0] == 0
    _assert_complete(events, trail.tail())


def test_bad_lines_are_reported_and_skipped(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    trail = Trail(tmp_path, kafka, topic)
    lines = [b'{"eventName":"a","n":1}', b"not json", b"[]", b'{"n":2}', b'{"eventName":"b","n":3}', b"", b"\xff"]

    code, out, err = trail.run("log", *LOG_OPTIONS, "--json", stdin=b"\n".join(lines))

    assert code == 8
    assert json.loads(out)["logged"] == 2
    assert [line.split(":")[0] for line in err.splitlines() if line.startswith("line ")] == [
        "line 2",
        "line 3",
        "line 4",
        "line 7",
    ]
    assert sorted(event["payload"]["n"] for event in trail.tail()) == [1, 3]


def test_strict_stops_at_the_first_bad_line(kafka: KafkaBroker, topic: str, tmp_path: Path) -> None:
    trail = Trail(tmp_path, kafka, topic)

    code, out, _ = trail.run(
        "log", *LOG_OPTIONS, "--json", "--strict", stdin=b'{"eventName":"a"}\nx\n{"eventName":"b"}\n'
    )

    assert code == 8
    assert json.loads(out)["logged"] == 1
