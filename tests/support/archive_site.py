"""Keeps a trail on a real topic and archives it; compares topic, seals, data files and Iceberg table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from confluent_kafka import Producer
from pyarrow import BufferReader
from pyiceberg.catalog.sql import SqlCatalog

from telemetry.archive.table.archive_table import ArchiveTable
from telemetry.config import AuditConfig, StorageConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.format.archive.succession import ArchiveState
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader import KafkaSource, RawRecord
from telemetry.reader.seals.chain import judge_chain
from telemetry.reader.seals.folding import fold
from telemetry.reader.seals.store import SealStore
from telemetry.reader.seals.trust import own_policy
from telemetry.storage import StorageProvider, StorageProviderFactory
from tests.services.kafka import KafkaBroker
from tests.support.in_process import run
from tests.support.written_trail import Process

PASSPHRASE = "correct horse battery staple"
SOURCE = "/production/telemetry-archiver"
TABLE = ("audit", "events")

Place = tuple[Any, ...]


class ArchiveSite:
    """A topic, a fallback folder, an archive, and the configuration of its archiver.

    Args:
        kafka: The broker.
        topic: The topic.
        folder: Folder of the site.
        archive: Store of the archive; default: a folder.
        settings: Further lines of ``[archive_config]``.
    """

    def __init__(
        self, kafka: KafkaBroker, topic: str, folder: Path, *, archive: StorageConfig | None = None, settings: str = ""
    ) -> None:
        self.topic = topic
        self.folder = folder
        self.storage = archive or StorageConfig(provider="local_file", base_path=folder / "archive")
        self.fallback = StorageConfig(provider="local_file", base_path=folder / "fallback")
        self.audit = AuditConfig(
            **kafka.audit_options("PLAINTEXT") | {"kafka_topic": topic},
            encryption_enabled=False,
            storage_config=self.fallback,
        )
        self.settings = settings
        self.catalog = folder / "catalog.db"
        self._processes = 0
        SigningKey.create(folder / "archiver.key", PASSPHRASE, name="archiver")

    @cached_property
    def public_key(self) -> PublicKey:
        """The archiver's public key."""
        return PublicKey.parse(SigningKey.load(self.folder / "archiver.key", PASSPHRASE).public_key)

    def file(self, *, name: str = "archiver.toml", catalog: Path | None = None) -> Path:
        """Write the configuration of an archiver."""
        fields = self.storage.model_dump(mode="python", exclude_none=True, exclude_defaults=True)
        lines = "".join(f"{field} = {_toml(value)}\n" for field, value in fields.items())
        path = self.folder / name
        path.write_text(
            f'[audit_config]\nkafka_brokers = "{self.audit.kafka_brokers}"\nkafka_topic = "{self.topic}"\n'
            'security_protocol = "PLAINTEXT"\nencryption_enabled = false\n'
            f'[audit_config.storage_config]\nprovider = "local_file"\nbase_path = "{self.fallback.base_path}"\n'
            f'[archive_config]\ncatalog_path = "{catalog or self.catalog}"\n{self.settings}\n'
            f"[archive_config.storage_config]\n{lines}"
            f'[archive_config.signing_config]\nkey_path = "{self.folder / "archiver.key"}"\npassphrase = "{PASSPHRASE}"\n'
        )
        path.chmod(0o600)
        return path

    def run(self, *words: str, file: Path | None = None, code: int = 0) -> str:
        """Run ``telemetry archive`` in this process; return its output."""
        done = run("archive", *words, "-c", str(file or self.file()))
        assert done.code == code, (done.code, done.out, done.err)
        return done.out.decode() + done.err

    def produce(self, records: Iterable[RawRecord]) -> None:
        """Write records to the topic, to the partitions that their keys say."""
        producer = Producer({"bootstrap.servers": self.audit.kafka_brokers, "linger.ms": 5})
        for record in records:
            producer.produce(self.topic, key=record.key, value=record.value, headers=list(record.headers))
            producer.poll(0)
        producer.flush(60)

    def log(self, events: int, *, processes: int = 2) -> None:
        """Write the life of some processes to the topic."""
        for _ in range(processes):
            self._processes += 1
            process = Process(self._processes, leaves=True)
            process.clock += timedelta(days=self._processes % 3)
            self.produce(process.run(events // processes, users=20))

    def store(self) -> StorageProvider:
        """Open the archive's store."""
        return StorageProviderFactory.create(self.storage)

    def state(self) -> ArchiveState:
        """Return what the seals say, all of them signed by the archiver and in their order."""
        with self.store() as store:
            seals = SealStore(store)
            judged = judge_chain(seals, own_policy(self.public_key, source=SOURCE))
            assert [str(finding) for finding in judged.findings if finding.verdict != "missing"] == []
            state = fold(seals, policy=own_policy(self.public_key, source=SOURCE))
        assert state is not None
        return state

    def on_topic(self) -> Counter[Place]:
        """Return the places of the topic."""
        with KafkaSource(self.audit) as source:
            return Counter((record.place.source, record.place.partition, record.place.offset) for record in source)

    def archived(self) -> Counter[Place]:
        """Return the places that the data files of the archive have."""
        found: Counter[Place] = Counter()
        with self.store() as store:
            for file in self.state().live.files():
                data = store.get(file.name)
                table = pq.read_table(BufferReader(data), columns=list(_PLACE))
                assert table.num_rows == file.rows
                found.update(_places(table))
        return found

    def kinds(self) -> Counter[str]:
        """Return how many rows of each kind there are."""
        found: Counter[str] = Counter()
        with self.store() as store:
            for file in self.state().live.files():
                table = pq.read_table(BufferReader(store.get(file.name)), columns=["kind"])
                found.update(table.column("kind").to_pylist())
        return found

    def in_table(self, catalog: Path | None = None) -> Counter[Place]:
        """Return the places that PyIceberg reads: in a folder by its own means, elsewhere through the archive's store."""
        path = catalog or self.catalog
        if self.storage.provider == "local_file":
            table = SqlCatalog("telemetry", uri=f"sqlite:///{path}").load_table(TABLE)
            return Counter(_places(table.scan(selected_fields=_PLACE).to_arrow()))
        with self.store() as store, ArchiveTable.open(store, catalog_path=path) as opened:
            return Counter(_places(opened._table.scan(selected_fields=_PLACE).to_arrow()))

    def check(
        self, *, catalog: Path | None = None, objects: int = 0, lost: int = 0, is_rewritten: bool = False
    ) -> None:
        """Check that archive and table have each place once.

        Args:
            is_rewritten: Whether another engine has removed rows and added them again, so that they count twice.
            catalog: Catalog of the table.
            objects: Rows of fallback objects that there are.
            lost: Records that the archive has and the topic has no more.
        """
        state, archived = self.state(), self.archived()
        assert max(archived.values(), default=1) == 1
        assert archived.total() == state.seal.rows
        assert state.seal.records > state.seal.rows if is_rewritten else state.seal.records == state.seal.rows
        from_topic = Counter({place: count for place, count in archived.items() if place[0] is not None})
        assert archived.total() - from_topic.total() == objects
        on_topic = self.on_topic()
        assert on_topic - from_topic == Counter()
        assert (from_topic - on_topic).total() == lost
        assert self.in_table(catalog) == archived


_PLACE = ("topic", "partition", "offset", "object", "line")


def _places(table: Any) -> Iterable[Place]:
    rows = table.select(_PLACE).to_pylist()
    return [
        (row["topic"], row["partition"], row["offset"]) if row["object"] is None else (None, row["object"], row["line"])
        for row in rows
    ]


def _toml(value: object) -> str:
    text = value.get_secret_value() if hasattr(value, "get_secret_value") else value
    return json.dumps(text if isinstance(text, bool | int | float) else str(text))
