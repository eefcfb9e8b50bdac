"""``telemetry archive`` moves each place of a real topic and of the fallback store into the archive once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from telemetry.encryption.signing_key import SigningKey
from telemetry.format.archive.seal_note import seal_name
from telemetry.format.objects.fallback_object import StoredRecord, encode_object
from telemetry.storage import StorageProviderFactory
from tests.services.kafka import KafkaBroker
from tests.services.kafka_access import QUIET
from tests.support.archive_site import ArchiveSite
from tests.support.written_trail import Process

pytestmark = pytest.mark.services


@pytest.fixture
def site(kafka: KafkaBroker, topic: str, tmp_path: Path) -> ArchiveSite:
    return ArchiveSite(kafka, topic, tmp_path)


def test_commits_follow_each_other(site: ArchiveSite) -> None:
    site.log(400)
    first = json.loads(site.run("--once", "--json").splitlines()[0])
    site.check()
    site.log(300)
    site.produce([Process(77).log()._replace(value=b"rubbish"), Process(78).log()._replace(value=None)])
    second = json.loads(site.run("--once", "--json").splitlines()[0])
    site.check()

    assert (first["number"], second["number"]) == (0, 1)
    assert first["rows"] + second["rows"] == site.on_topic().total()
    assert (second["lag_records"], second["lost"]) == (0, 0)
    state = site.state()
    assert {stream.final for stream in state.seal.streams} == {True}
    assert json.loads(site.run("--once", "--json").splitlines()[0])["commits"] == 0
    status = json.loads(site.run("status", "--json").splitlines()[0])
    assert (status["number"], status["topic"]["records"], status["topic"]["lost"]) == (1, 0, 0)
    assert status["rows"] == site.on_topic().total()


def test_small_commits_end_at_one_moment(site: ArchiveSite) -> None:
    site.settings = "commit_rows = 250"
    site.log(1_000, processes=4)

    site.run("--once")

    site.check()
    assert 4 <= site.state().seal.number <= 20


def test_retention_that_ate_records_is_a_sealed_gap(site: ArchiveSite, kafka: KafkaBroker) -> None:
    site.log(400)
    site.run("--once")
    before = site.state().seal.positions[site.topic]
    site.log(400)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap("PLAINTEXT")})
    cut = {partition: position + 30 for partition, position in before.items()}
    wanted = [TopicPartition(site.topic, partition, offset) for partition, offset in cut.items()]
    for future in admin.delete_records(wanted).values():
        future.result(30)

    assert "were deleted before they were archived" in site.run("--once", code=4)

    gaps = {(gap.partition, gap.first, gap.end) for gap in site.state().seal.gaps}
    assert gaps == {(partition, before[partition], offset) for partition, offset in cut.items()}
    site.check(lost=sum(before.values()))
    assert site.run("--once")


def test_topic_that_was_created_anew_is_refused(site: ArchiveSite, kafka: KafkaBroker) -> None:
    site.log(200)
    site.run("--once")
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap("PLAINTEXT")})
    admin.delete_topics([site.topic])[site.topic].result(30)
    kafka.create_topic(site.topic, partitions=4)
    site.log(20)

    assert "was created anew, or has lost records" in site.run("--once", code=6)
    assert site.state().seal.number == 0


def test_partition_that_came_later(site: ArchiveSite, kafka: KafkaBroker) -> None:
    site.log(200)
    site.run("--once")
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap("PLAINTEXT")})
    admin.create_partitions([NewPartitions(site.topic, 6)])[site.topic].result(30)
    site.log(200, processes=1)

    site.run("--once")

    site.check()
    assert set(site.state().seal.positions[site.topic]) == set(range(6))


def test_fallback_objects_are_archived_once(site: ArchiveSite) -> None:
    site.log(100)
    process = Process(500)
    records = [process.log() for _ in range(5)]
    data = encode_object(
        [StoredRecord(record.key or b"", record.value or b"", number) for number, record in enumerate(records)],
        topic=site.topic,
        producer=process.producer,
        reason="unreachable",
    )
    name = f"{site.topic}/2026/01/02/0198c0de-1111-7222-8333-444455556666-{process.producer}-0-4.jsonl"
    with StorageProviderFactory.create(site.fallback) as store:
        store.put(name, data)

    site.run("--once")
    site.run("--once")
    site.check(objects=5)
    assert site.state().seal.objects == (name,)

    # Replayed: the records come again from the topic, under places of their own.
    site.produce(records)
    with StorageProviderFactory.create(site.fallback) as store:
        store.delete(name)
    site.run("--once")
    site.check(objects=5)


def test_batch_that_cannot_be_read_is_archived_as_such(site: ArchiveSite, kafka: KafkaBroker) -> None:
    site.log(50)
    bomber = Producer(
        {**kafka.quick_options(), "compression.type": "zstd", "message.max.bytes": 1_000_000_000}, logger=QUIET
    )
    bomber.produce(site.topic, bytes(80 << 20))
    assert bomber.flush(60) == 0
    site.log(50)

    site.run("--once")

    site.check()
    assert site.kinds()["unreadable"] == 1


def test_offsets_of_transactions_are_no_gap(site: ArchiveSite, kafka: KafkaBroker) -> None:
    site.log(50)
    stranger = Producer(
        {"bootstrap.servers": kafka.bootstrap("PLAINTEXT"), "transactional.id": site.topic}, logger=QUIET
    )
    stranger.init_transactions(30)
    for end in (stranger.abort_transaction, stranger.commit_transaction):
        stranger.begin_transaction()
        for number in range(5):
            stranger.produce(site.topic, b"stranger", partition=number % 4)
        assert stranger.flush(30) == 0  # an abort takes back what is not sent yet
        end(30)
    site.log(50)

    site.run("--once")

    site.check()
    state = site.state()
    assert state.seal.gaps == ()
    assert sum(part.end - part.first for part in state.seal.ranges) == state.seal.rows + 8
    assert site.kinds()["damaged"] == 10


def test_wrong_key_continues_nothing(site: ArchiveSite) -> None:
    site.log(50)
    site.run("--once")
    (site.folder / "other").mkdir()
    (site.folder / "archiver.key").rename(site.folder / "other" / "archiver.key")
    SigningKey.create(site.folder / "archiver.key", "correct horse battery staple", name="archiver")
    site.log(50)

    assert "is not believed" in site.run("--once", code=3)


@pytest.mark.parametrize("words", [("--once", "--every", "5m"), ("--every", "soon"), ("--every", "0")])
def test_unfit_options(site: ArchiveSite, words: tuple[str, ...]) -> None:
    assert "--every" in site.run(*words, code=2)


def test_removed_seals_that_the_table_knows_are_noticed(site: ArchiveSite) -> None:
    site.log(40)
    site.run("--once")
    site.log(40)
    site.run("--once")
    with site.store() as store:
        store.delete(seal_name(1))

    refused = site.run("--once", code=3)
    shown = json.loads(site.run("status", "--json").splitlines()[0])

    assert seal_name(1) in refused
    assert shown["table"]["text"] == "at seal 1, which is absent"
    site.run("seal", "--rebuild")
    site.run("--once")
    site.check()


def test_archive_without_any_seal_is_not_begun_anew_under_the_same_catalog(site: ArchiveSite) -> None:
    site.log(40)
    site.run("--once")
    with site.store() as store:
        store.delete(seal_name(0))

    assert seal_name(0) in site.run("--once", code=3)
