"""Keeps an archive in a store with the parts that the commands use, and fills it with trails of a memory."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import SecretStr

from telemetry.archive.rows.columns import SCHEMA
from telemetry.archive.upkeep.open_archive import OpenArchive, open_for_upkeep
from telemetry.archive.verifying.verification import ArchiveRequest, verify_archive
from telemetry.config import StorageConfig, TelemetryConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.format.archive.seal import Commit
from telemetry.format.archive.seal_note import encode_seal, seal_name
from telemetry.format.archive.succession import ArchiveState, seal_after
from telemetry.format.proof.signed_note import PublicKey
from telemetry.reader.entry import RawRecord
from telemetry.reader.seals.folding import fold
from telemetry.reader.seals.store import SealStore
from telemetry.reader.seals.trust import own_policy
from telemetry.reader.trust.policy import TrustPolicy
from telemetry.reader.verify.verdicts import Verdict, VerificationReport
from telemetry.storage import StorageProvider, StorageProviderFactory
from tests.support.archived_trail import SOURCE, ArchivedTrail
from tests.support.written_trail import LATER, START, Process, Signer

ARCHIVE = "0198c0de-0000-7000-8000-00000000a2c4"
PASSPHRASE = "correct horse battery staple"


class _TimedTrail(ArchivedTrail):
    """An archive whose seals say when they were made, as those of the commands do."""

    def commit(self, commit: Commit) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        seal = seal_after(self._state, commit, time=now, source=SOURCE, archive=ARCHIVE)
        with StorageProviderFactory.create(self.storage) as store:
            store.put(seal_name(seal.number), encode_seal(seal, self._signer))
            self._state = fold(SealStore(store))


class KeptArchive:
    """An archive, the configuration of its archiver, and the trail in it.

    Args:
        folder: Folder of key, catalog and, by default, the archive.
        storage: Store of the archive.
        settings: Further settings of the archive.
    """

    def __init__(self, folder: Path, *, storage: StorageConfig | None = None, **settings: Any) -> None:
        self.folder = folder
        self.key = SigningKey.create(folder / "archiver.key", PASSPHRASE, name="archiver")
        self.trail = _TimedTrail(folder / "archive", signer=self.key)  # type: ignore[arg-type]
        if storage is not None:
            self.trail.storage = storage
        self.settings = {"compact_after_days": 1, "keep_removed_seconds": 0, **settings}
        self._end = 0
        self._processes = 0

    @property
    def storage(self) -> StorageConfig:
        """Store of the archive."""
        return self.trail.storage

    @property
    def config(self) -> TelemetryConfig:
        """Configuration of the archiver."""
        return TelemetryConfig.model_validate(
            {
                "service_name": "payments",
                "environment": "production",
                "audit_config": {
                    "kafka_brokers": "127.0.0.1:1",
                    "kafka_topic": "audit-events",
                    "encryption_enabled": False,
                    "fallback_enabled": False,
                },
                "archive_config": {
                    "storage_config": self.storage,
                    "catalog_path": self.folder / "catalog.db",
                    "signing_config": {
                        "key_path": self.folder / "archiver.key",
                        "passphrase": SecretStr(PASSPHRASE),
                    },
                    **self.settings,
                },
            }
        )

    def file(self, *, brokers: str = "127.0.0.1:1", topic: str = "audit-events") -> Path:
        """Write the configuration as a file, for the command; a folder archive only."""
        path = self.folder / "archiver.toml"
        numbers = "".join(f"{name} = {value}\n" for name, value in self.settings.items())
        path.write_text(
            'service_name = "payments"\nenvironment = "production"\n[audit_config]\n'
            f'kafka_brokers = "{brokers}"\nkafka_topic = "{topic}"\n'
            'encryption_enabled = false\nfallback_enabled = false\nsecurity_protocol = "PLAINTEXT"\n'
            f'[archive_config]\nlocation = "{self.storage.base_path}"\ncatalog_path = "{self.folder / "catalog.db"}"\n'
            f"{numbers}[archive_config.signing_config]\n"
            f'key_path = "{self.folder / "archiver.key"}"\npassphrase = "{PASSPHRASE}"\n'
        )
        path.chmod(0o600)
        return path

    def log(self, events: int = 40, *, commits: int = 4, users: int = 3, **parts: Any) -> Process:
        """Archive the life of a process in several commits."""
        self._processes += 1
        process = Process(self._processes, leaves=True, **parts)
        self.records(process.run(events, users=users), commits=commits)
        return process

    def records(self, records: Iterable[RawRecord], *, commits: int = 1) -> None:
        """Archive records at the next offsets, in several commits."""
        placed = []
        for record in records:
            place = record.place._replace(partition=0, offset=self._end)
            placed.append(record._replace(place=place, timestamp=START.timestamp() + self._end / 1_000))
            self._end += 1
        size = -(-len(placed) // commits)
        for start in range(0, len(placed), size):
            self.append(placed[start : start + size])

    def append(self, records: Iterable[RawRecord]) -> None:
        """Archive placed records in one commit, after whatever was committed meanwhile."""
        if self.trail._state is not None:
            self.trail._state = self.state()
        self.trail.append(records)

    @contextmanager
    def opened(self) -> Iterator[OpenArchive]:
        """Open it for upkeep."""
        with open_for_upkeep(self.config) as opened:
            yield opened

    @contextmanager
    def store(self) -> Iterator[StorageProvider]:
        """Open its store."""
        with StorageProviderFactory.create(self.storage) as store:
            yield store

    def state(self) -> ArchiveState:
        """Return what its seals say."""
        with self.store() as store:
            policy = own_policy(PublicKey.parse(self.key.public_key), source=SOURCE)
            state = fold(SealStore(store), policy=policy)
        assert state is not None
        return state

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows of the live files."""
        with self.store() as store:
            tables = [pq.read_table(io.BytesIO(store.get(file.name))) for file in self.state().live.files()]
        found: list[dict[str, Any]] = pa.concat_tables([*tables, SCHEMA.empty_table()]).to_pylist()
        return found

    def places(self) -> Counter[tuple[Any, ...]]:
        """Return the places of all rows."""
        return Counter((row["topic"], row["partition"], row["offset"]) for row in self.rows())

    def verify(self) -> VerificationReport:
        """Verify it, as an auditor with both public keys."""
        keys = [Signer().public, PublicKey.parse(self.key.public_key)]
        return verify_archive(self.storage, ArchiveRequest(policy=TrustPolicy.of_keys(keys)), now=LATER)

    def require_whole(self) -> VerificationReport:
        """Verify it, and require that nothing is found and every event is proven."""
        report = self.verify()
        found = [*report.findings, *(finding for one in report.producers for finding in one.findings)]
        # What was redacted or ended by policy, and copies, are told; nothing is wrong with them.
        assert [
            finding.reason for finding in found if finding.verdict not in (Verdict.COMPLETE, Verdict.DUPLICATE)
        ] == []
        assert report.exit_code == 0, report
        return report

    def require_table(self) -> None:
        """Require that the Iceberg table has the live files, and no others."""
        with self.opened() as opened:
            live = set(opened.state().live)  # the table catches up first
            assert opened.commits.table.file_names() == live

    def copied(self, **parts: Any) -> KeptArchive:
        """Return the same archive with other settings."""
        other = object.__new__(KeptArchive)
        other.__dict__.update(self.__dict__)
        other.settings = {**self.settings, **parts}
        return other
