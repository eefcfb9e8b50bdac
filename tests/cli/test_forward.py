"""``telemetry forward`` with an embedded Kafka, to each kind of target."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry.reader import RawRecord
from telemetry.storage import StorageProviderFactory
from telemetry.testing import EmbeddedKafka
from tests.attacks.site import KeyFiles, Site
from tests.services.moto_s3 import MotoBuckets
from tests.services.ports import free_ports
from tests.support.in_process import Ended
from tests.support.readable_trail import EVENTS, ReadableTrail
from tests.support.siem import FakeCollector, FakeHec, Reply, Siem, of_event, partly, running, times


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReadableTrail]:
    with EmbeddedKafka() as kafka:
        yield ReadableTrail(kafka, tmp_path_factory.mktemp("trail"))


@pytest.fixture
def siem() -> Iterator[Siem]:
    with running(Siem()) as server:
        yield server


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.touch(mode=0o600)
    path.write_text(Siem.token)
    return path


_groups = iter(range(1_000))


def forward(trail: ReadableTrail, kind: str, url: str, *options: str, group: str | None = None) -> Ended:
    name = group or f"group-{next(_groups)}"
    return trail.run("forward", "--once", "--group", name, "--to", kind, "--url", url, "--json", *options)


def counts_of(ended: Ended) -> dict[str, Any]:
    counts: dict[str, Any] = json.loads(ended.out.splitlines()[-1])
    return counts


def test_splunk_gets_what_is_acknowledged(trail: ReadableTrail, token: Path) -> None:
    with running(FakeHec()) as hec:
        ended = forward(trail, "splunk-hec", hec.url, "--token-file", str(token), "--schema", "ocsf", "--batch", "3")

    assert ended.code == 0, ended.err
    assert len(hec.indexed) == len(set(hec.indexed)) == len(EVENTS)
    assert {each["event"]["metadata"]["version"] for each in hec.documents} == {"1.3.0"}
    assert Siem.token not in ended.err + ended.out.decode()


@pytest.mark.parametrize("schema", ["event", "cloudevents", "ocsf", "cadf", "ecs"])
def test_every_schema_over_otlp(trail: ReadableTrail, schema: str) -> None:
    with running(FakeCollector()) as collector:
        ended = forward(trail, "otlp", collector.url, "--schema", schema)

    assert ended.code == 0, ended.err
    assert len(collector.accepted) == len(EVENTS)
    assert {record.event_name for _, record in collector.documents} == {event_type for event_type, *_ in EVENTS}


def test_group_continues_where_it_stopped(trail: ReadableTrail, siem: Siem) -> None:
    first = forward(trail, "http", siem.url, group="twice")
    second = forward(trail, "http", siem.url, group="twice")

    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert len(siem.accepted) == len(EVENTS)
    assert (counts_of(first)["forwarded"], counts_of(second)["forwarded"]) == (len(EVENTS), 0)
    assert {document["sealed"] for document in siem.documents} == {True}


def test_filters_select(trail: ReadableTrail, siem: Siem) -> None:
    ended = forward(trail, "http", siem.url, "--type", "user_*", "--not", "outcome=failure")

    assert ended.code == 0, ended.err
    assert sorted(each["event_type"] for each in siem.documents) == ["user_login", "user_logout"]
    assert counts_of(ended)["filtered"] == len(EVENTS) - 2


def test_objects_in_s3(trail: ReadableTrail, moto_s3: MotoBuckets, monkeypatch: pytest.MonkeyPatch) -> None:
    config = moto_s3.config()
    for name in ("bucket_name", "aws_region", "aws_access_key_id", "aws_secret_access_key", "endpoint_url"):
        value = getattr(config, name)
        text = value.get_secret_value() if hasattr(value, "get_secret_value") else value
        monkeypatch.setenv(f"TELEMETRY_AUDIT_CONFIG__STORAGE_CONFIG__{name.upper()}", text)
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__STORAGE_CONFIG__PROVIDER", "aws_s3")
    monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__STORAGE_CONFIG__ALLOW_HTTP", "true")
    url = f"s3://{config.bucket_name}/lake"
    ended = [forward(trail, "s3", url, "--schema", "ecs") for _ in range(2)]

    assert [each.code for each in ended] == [0, 0], ended[0].err
    with StorageProviderFactory.create(config.model_copy(update={"prefix": "lake"})) as store:
        names = [stored.name for stored in store.list()]
        lines = [line for name in names for line in gzip.decompress(store.get(name)).splitlines()]
    # The second group wrote the same objects.
    assert len(lines) == len(EVENTS)
    assert all(name.startswith("audit-events/20") and name.endswith(".jsonl.gz") for name in names)


def test_sealed_copy_can_be_read_back(trail: ReadableTrail, tmp_path: Path) -> None:
    ended = forward(trail, "store", f"file://{tmp_path}/lake", "--sealed", "--batch-kb", "1")
    objects = sorted((tmp_path / "lake").rglob("*.gz"))
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(b"".join(gzip.decompress(each.read_bytes()) for each in objects))

    assert ended.code == 0, ended.err
    assert "passkey" not in copy.read_text()
    assert len(trail.tail("--file", str(copy))) == len(EVENTS)


def test_dead_letters_are_sent_again(trail: ReadableTrail, siem: Siem, tmp_path: Path) -> None:
    everything = trail.tail()
    bad = {everything[1]["id"], everything[6]["id"]}
    siem.faults = [of_event(bad.__contains__, Reply(400, b"the event says: passkey"))]
    letters = tmp_path / "letters"
    ended = forward(trail, "http", siem.url, "--dead-letters", str(letters))

    assert ended.code == 0, ended.err
    assert sorted(siem.accepted) == sorted(each["id"] for each in everything if each["id"] not in bad)
    assert counts_of(ended)["refused"] == 2
    kept = [path.read_text() for path in letters.iterdir()]
    assert len(kept) == 2
    assert not any("passkey" in text or "password" in text for text in (*kept, ended.err))
    resend = ("forward", "--resend", "--dead-letters", str(letters), "--to", "http", "--url", siem.url, "--json")
    refused = trail.run(*resend)
    assert (refused.code, counts_of(refused)["refused"], len(list(letters.iterdir()))) == (0, 2, 2), refused.err
    siem.faults = []
    sent = trail.run(*resend)

    assert (sent.code, counts_of(sent)["forwarded"], list(letters.iterdir())) == (0, 2, []), sent.err
    probes = {each["id"] for each in siem.documents if each["event_type"] == "telemetry.probe"}
    assert set(siem.accepted) - probes == {each["id"] for each in everything}


def test_partial_success_is_named(trail: ReadableTrail, tmp_path: Path) -> None:
    with running(FakeCollector()) as collector:
        collector.faults = [times(1, partly(1))]
        ended = forward(trail, "otlp", collector.url, "--dead-letters", str(tmp_path / "letters"))

    assert ended.code == 0, ended.err
    assert "partial success: 1 of 8 records" in ended.err
    assert len(list((tmp_path / "letters").iterdir())) == len(EVENTS)


@pytest.mark.parametrize("status", [401, 404, 503])
def test_outage_ends_once_with_its_code(trail: ReadableTrail, siem: Siem, tmp_path: Path, status: int) -> None:
    siem.faults = [times(1_000, Reply(status))]
    letters = tmp_path / "letters"
    ended = forward(trail, "http", siem.url, "--timeout", "1", "--dead-letters", str(letters), group=f"away-{status}")
    siem.faults = []
    again = forward(trail, "http", siem.url, group=f"away-{status}")

    assert ended.code == 6
    assert counts_of(ended)["state"] == ("away" if status == 503 else "refused")
    assert str(status) in ended.err
    assert list(letters.iterdir()) == []
    assert (again.code, len(siem.accepted)) == (0, len(EVENTS)), again.err


def test_read_is_recorded_before_anything_is_sent(siem: Siem, tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        own = ReadableTrail(kafka, tmp_path)
        own.configure(read_audit="required")
        first = forward(own, "http", siem.url, "--reason", "ticket 4711", group="recorded")
        second = forward(own, "http", siem.url, group="recorded")

    assert (first.code, second.code) == (0, 0), first.err + second.err
    reads = [each for each in siem.documents if each["event_type"] == "telemetry.read"]
    # The first read is after the end that the first run had found; the second one sees it.
    assert reads[0]["payload"]["reason"] == "ticket 4711"
    assert reads[0]["payload"]["program"] == "telemetry forward"


def test_rubbish_is_named_and_passed_over(siem: Siem, tmp_path: Path) -> None:
    with EmbeddedKafka() as kafka:
        own = ReadableTrail(kafka, tmp_path)
        genuine = own.records()
        rubbish = [
            RawRecord(b"k", b"hello", genuine[0].place),
            RawRecord(None, None, genuine[0].place),
            genuine[1]._replace(value=(genuine[1].value or b"")[:-9] + b'AAAAAAAA"'),
            genuine[2]._replace(key=b"another:key"),
            RawRecord(b"\xff", b"\xfe\x00", genuine[0].place),
        ]
        own.put("mixed", [*genuine[:4], *rubbish, *genuine[4:]])
        ended = forward(own, "http", siem.url, "--topic", "mixed", "--dead-letters", str(tmp_path / "letters"))
        again = forward(own, "http", siem.url, "--topic", "mixed", group="again")

    assert (ended.code, again.code) == (3, 3), ended.err
    assert len(siem.accepted) == 2 * len(EVENTS)
    assert counts_of(ended)["damaged"] == len(rubbish)
    assert "hello" not in ended.err


def test_wrong_key_passes_nothing_over(trail: ReadableTrail, siem: Siem, tmp_path: Path) -> None:
    letters = tmp_path / "letters"
    other = ("--key-path", str(tmp_path / "other.key"), "--dead-letters", str(letters))
    wrong = forward(trail, "http", siem.url, *other, group="wrong-key")
    right = forward(trail, "http", siem.url, group="wrong-key")

    assert wrong.code == 5, wrong.err
    assert "Check the key" in wrong.err
    assert list(letters.iterdir()) == []
    assert (right.code, len(siem.accepted)) == (0, len(EVENTS)), right.err


def test_read_that_cannot_be_recorded_sends_nothing(
    siem: Siem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedKafka() as kafka:
        own = ReadableTrail(kafka, tmp_path)
        own.configure(read_audit="required")
        monkeypatch.setenv("TELEMETRY_AUDIT_CONFIG__MAX_EVENT_BYTES", "1024")
        ended = forward(own, "http", siem.url, "--reason", "x" * 2_000)

    assert ended.code == 7, ended.err
    assert siem.posts == []


def test_proven_events_say_so_and_foreign_ones_stay_out(siem: Siem, tmp_path: Path) -> None:
    keys = KeyFiles(tmp_path)
    with EmbeddedKafka(partitions=1) as kafka:
        site = Site(kafka, tmp_path, keys)
        running_one = site.writer(2)
        signed = [running_one.event("login"), running_one.checkpoint()]
        junk = signed[0]._replace(value=b"hello")
        site.put([*site.writer(1).run(3), *signed, junk, running_one.event("logout")])
        options = ("--once", "--group", "g", "--to", "http", "--url", siem.url, "--public-key", keys.public_key)
        ended = site.run("forward", *options)

    assert ended.code == 0, ended.err
    assert [each["proven"] for each in siem.documents] == ["yes"] * 4 + ["pending"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--to", "http", "--url", "http://siem.example.com", "--group", "g"), "--url"),
        (("--to", "splunk-hec", "--url", "https://siem.example.com", "--group", "g"), "--token-file"),
        (("--to", "s3", "--url", "gs://bucket/x", "--group", "g"), "--url"),
        (("--to", "store", "--url", "ftp://bucket/x", "--group", "g"), "--url"),
        (("--to", "http", "--url", "http://127.0.0.1:9"), "--group"),
        (("--to", "http", "--url", "http://127.0.0.1:9", "--group", " "), "--group"),
        (("--to", "http", "--url", "http://127.0.0.1:9", "--resend"), "--resend"),
        (("--to", "http", "--url", "http://127.0.0.1:9", "--group", "g", "--sealed", "--user", "ada"), "--sealed"),
        (("--to", "http", "--url", "http://127.0.0.1:9", "--group", "g", "--sealed", "--schema", "ecs"), "--sealed"),
        (("--to", "http", "--url", "http://127.0.0.1:9", "--group", "g", "--catalog", "x.json"), "--catalog"),
    ],
    ids=range(10),
)
def test_options_that_contradict(trail: ReadableTrail, options: tuple[str, ...], named: str) -> None:
    ended = trail.run("forward", *options)

    assert ended.code == 2
    assert named in ended.err


def test_kafka_that_is_away(trail: ReadableTrail, siem: Siem) -> None:
    brokers = f"127.0.0.1:{free_ports(1)[0]}"
    ended = forward(trail, "http", siem.url, "--brokers", brokers, "--takeover", "6")

    assert ended.code == 6
    assert siem.posts == []
