from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from telemetry.audit.accept.draft.factory import EventFactory
from telemetry.audit.accept.encryptor import ClearEncoder
from telemetry.format.value.message import context_of
from telemetry.reader import Place, RawRecord
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from tests.support.in_process import run
from tests.support.readable_trail import EVENTS, ReadableTrail


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadableTrail]:
    with EmbeddedKafka() as kafka:
        yield ReadableTrail(kafka, tmp_path_factory.mktemp("trail"))


@pytest.fixture
def own_trail(tmp_path: Path) -> Iterator[ReadableTrail]:
    """A trail that a test adds to."""
    with EmbeddedKafka() as kafka:
        yield ReadableTrail(kafka, tmp_path)


def _id(value: object) -> str | None:
    return " ".join(value)[:40] if isinstance(value, tuple) else None


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), 8),
        (("--user", "alice"), 3),
        (("--user", "alice", "--user", "bob"), 4),
        (("--user", "ali"), 0),
        (("--type", "user_"), 3),
        (("--type", "*_log*"), 3),
        (("--type", "order_*", "--type", "report"), 4),
        (("--type", "=HYPERLINK("), 1),
        (("--outcome", "denied", "--outcome", "failure"), 2),
        (("--text", "GRÖSSE"), 1),
        (("--text", "passkey"), 1),
        (("--text", "9876543210"), 1),
        (("--text", "region"), 1),
        (("--text", "schema_version"), 0),
        (("--user", "alice", "--outcome", "success", "--type", "user_login"), 1),
        (("--until", "10m"), 0),
        (("--last", "3"), 3),
        (("--last", "2", "--user", "alice"), 2),
        (("--offset", "1000"), 0),
    ],
    ids=_id,
)
def test_filters(trail: ReadableTrail, options: tuple[str, ...], expected: int) -> None:
    assert len(trail.tail(*options)) == expected


def test_every_field_returns(trail: ReadableTrail) -> None:
    events = {(event["event_type"], event["user_id"]): event for event in trail.tail()}

    for event_type, payload, user, fields in EVENTS:
        event = events[event_type, user]
        assert event["payload"] == payload
        assert event["sealed"] is True
        for name, value in fields.items():
            assert event.get(name, event["metadata"].get(name) if "metadata" in event else None) == value
        assert event["kafka"]["topic"] == "audit-events"


def test_chosen_columns_alone(trail: ReadableTrail) -> None:
    options = ("--user", "alice", "--type", "order*", "--columns", "user_id,payload.order,outcome,entity_id")

    assert trail.run("tail", *options).out.decode() == "alice  9876543210  denied  -\n"
    assert trail.tail(*options) == [{"user_id": "alice", "payload.order": 9_876_543_210, "outcome": "denied"}]
    assert trail.run("tail", "--columns", "user_id,user_id").code == 2


def test_control_characters_become_escapes(trail: ReadableTrail) -> None:
    shown = trail.run("tail").out + trail.run("tail", "--json").out

    assert b"mallory" in shown
    assert not set(shown) & set(range(0x20)) - {0x0A}
    assert "\u202e" not in trail.run("tail").out.decode()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--since", "yesterday"), "--since"),
        (("--since", "999999999w"), "--since"),
        (("--since", "1h", "--until", "2h"), "--since"),
        (("--outcome", "maybe"), "--outcome"),
        (("--type", ""), "--type"),
        (("--text", ""), "--text"),
        (("--type", "a" * 2_000), "--type"),
        (("--follow", "--last", "3"), "--last"),
        (("--follow", "--from", "fallback"), "--follow"),
        (("--file", "x", "--from", "all"), "--file"),
        (("--file", "x", "--offset", "3"), "--offset"),
        (("--file", "/does/not/exist"), "/does/not/exist"),
        (("--late", "soon"), "--late"),
    ],
    ids=_id,
)
def test_contradicting_options(trail: ReadableTrail, options: tuple[str, ...], named: str) -> None:
    ended = trail.run("tail", *options)

    assert ended.code == 2
    assert named in ended.err
    assert ended.out == b""


def test_damaged_records_are_reported_and_skipped(trail: ReadableTrail) -> None:
    records = trail.records()
    altered = (records[0].value or b"").replace(b'"time":"2', b'"time":"1')
    bad = [records[0]._replace(value=altered), records[1]._replace(value=b"\x1b[2J"), records[2]._replace(value=None)]
    trail.put("damaged", [records[3], *bad, records[4], records[3]])

    ended = trail.run("tail", "--topic", "damaged", "--json")
    both = trail.run("tail", "--topic", "damaged", "--json", "--duplicates")

    assert ended.code == 3
    assert len(ended.out.splitlines()) == 2
    assert len(both.out.splitlines()) == 3
    assert "damaged[0]@1: TamperedError" in ended.err
    assert "damaged[0]@2: MalformedRecordError" in ended.err
    assert "tombstone" in ended.err
    assert "3 records are damaged" in ended.err
    assert "\x1b" not in ended.err


def test_forged_clear_event_displaces_no_sealed_one(trail: ReadableTrail) -> None:
    records = trail.records()
    true = next(record for record in records if b'"type":"report"' in (record.value or b""))
    (event,) = trail.tail("--type", "report")
    inner = {name: value for name, value in event.items() if name not in ("sealed", "proven", "kafka")} | {
        "payload": "forged"
    }
    outer = json.loads(true.value or b"") | {"datacontenttype": "application/json", "data": inner}
    clear = {name: value for name, value in outer.items() if name not in ("keyid", "wrappedkey")}
    forged = json.dumps(clear, separators=(",", ":")).encode()
    trail.put("forged", [true._replace(value=forged), true])

    left_out = trail.run("tail", "--topic", "forged", "--json")
    ended = trail.run("tail", "--topic", "forged", "--json", "--foreign")
    shown = trail.run("tail", "--topic", "forged", "--foreign")

    assert [json.loads(line)["payload"] for line in left_out.out.splitlines()] == [None]
    assert '"foreign":1' in left_out.err

    events = [json.loads(line) for line in ended.out.splitlines()]
    assert {(event["payload"], event["sealed"]) for event in events} == {("forged", False), (None, True)}, ended.err
    assert "1 events were not sealed" in ended.err
    assert b"NOT SEALED  FOREIGN" in shown.out


def test_empty_topic(trail: ReadableTrail) -> None:
    trail.kafka.create_topic("empty")

    assert trail.tail("--topic", "empty") == []


def test_wrong_key(trail: ReadableTrail, tmp_path: Path) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("correct horse")
    assert run("keys", "init", str(tmp_path / "key"), "--passphrase-file", str(secret)).code == 0

    ended = trail.run("tail", "--json", "--key-path", str(tmp_path / "key"))

    assert ended.code in (3, 5)
    assert ended.out == b""
    assert "KeyNotListedError" in ended.err or "EncryptionError" in ended.err


def test_fallback_store_and_its_copy_are_read(own_trail: ReadableTrail, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    fallback = own_trail.folder / "fallback"
    config = own_trail.config().model_copy(
        update={"kafka_brokers": "127.0.0.1:1", "kafka_timeout_ms": 200, "max_retries": 0}
    )
    with Telemetry(config) as telemetry:
        telemetry.audit.log("during_outage", {}, "alice")

    stored = own_trail.tail("--from", "fallback")
    everything = own_trail.tail("--from", "all")
    (name,) = fallback.glob("=sealed/waiting/audit-events/**/*.tobj")
    assert own_trail.run("export", "--sealed", "--from", "fallback", "-o", str(copy)).code == 0

    assert [event["event_type"] for event in stored] == ["during_outage"]
    assert stored[0]["stored"]["line"] == 2
    assert len(everything) == 9
    for file in (copy, name):
        assert [event["id"] for event in own_trail.tail("--file", str(file))] == [stored[0]["id"]]
    name.unlink()


def test_interrupt_ends_following(own_trail: ReadableTrail) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "telemetry",
            "tail",
            "-c",
            str(own_trail.file),
            "--follow",
            "--json",
            "--type",
            "followed",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        with Telemetry(own_trail.config()) as telemetry:
            telemetry.audit.log("followed", {"number": 1}, "alice")
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["payload"] == {"number": 1}
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=180)
    finally:
        process.kill()

    assert process.returncode == 0, errors
    assert b"Traceback" not in errors


def test_read_is_recorded_with_reader_and_reason(own_trail: ReadableTrail) -> None:
    own_trail.configure(read_audit="required")

    ended = own_trail.run("tail", "--json", "--as", "auditor", "--reason", "ticket 4711", "--text", "Größe")

    assert ended.code == 0, ended.err
    assert len(ended.out.splitlines()) == 1
    (read,) = own_trail.tail("--type", "telemetry.read", "--user", "auditor")
    assert read["payload"]["reason"] == "ticket 4711"
    assert read["payload"]["program"] == "telemetry tail"
    assert read["payload"]["filters"] == {"text": "Größe"}
    assert datetime.fromisoformat(read["time"]) > datetime.now(UTC) - timedelta(minutes=10)


def test_unsealed_forgery_is_shown_as_such(own_trail: ReadableTrail) -> None:
    genuine = own_trail.records()[0]
    attributes = json.loads(genuine.value or b"")
    context = context_of(attributes["source"])
    factory = EventFactory(
        service_name=context["service"], environment=context["environment"], version="", max_event_bytes=1 << 20
    )
    draft = factory.draft("user_login", {"forged": True}, "alice", {"outcome": "success"})
    encoder = ClearEncoder(source=attributes["source"])
    value = encoder.seal(draft, attributes["producer"], 1_000).value
    own_trail.put("forged", [genuine, RawRecord(draft.key, value, Place("forged"))])

    lines = own_trail.run("tail", "--topic", "forged", "--foreign").out.decode().splitlines()
    marked = [line for line in lines if "NOT SEALED" in line]

    assert len(lines) == 2
    assert len(marked) == 1
    assert "forged" in marked[0]
    assert [event["sealed"] for event in own_trail.tail("--topic", "forged", "--foreign")] == [True, False]


@pytest.mark.parametrize("options", [("--file",), ("--from", "all")], ids=" ".join)
def test_last_of_a_file_and_of_all_places(trail: ReadableTrail, tmp_path: Path, options: tuple[str, ...]) -> None:
    copy = tmp_path / "copy.jsonl"
    assert trail.run("export", "--sealed", "-o", str(copy)).code == 0
    places = (*options, str(copy)) if options == ("--file",) else options

    last = trail.tail("--last", "3", *places)

    assert [event["id"] for event in last] == [event["id"] for event in trail.tail(*places)][-3:]
