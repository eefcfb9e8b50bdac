"""Runs the attacked service on an embedded Kafka, and the commands of its auditor."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from telemetry.config import TelemetryConfig
from telemetry.encryption import EncryptionProvider, EncryptionProviderFactory
from telemetry.encryption.signing_key import SigningKey
from telemetry.format.value.message import source_of
from telemetry.reader import KafkaSource, RawRecord
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from telemetry.types import EncryptionConfig
from tests.attacks.forge import TOPIC, SealingKey, Writer, produce
from tests.support.in_process import Ended, run
from tests.support.raw_records import raw_records

PASSPHRASE = "correct horse battery staple"


class KeyFiles:
    """A KEK and a signing key in files, which every site of the session uses.

    Args:
        folder: Folder of the files.

    Attributes:
        signing: The signing key.
        provider: The key service.
    """

    def __init__(self, folder: Path) -> None:
        self.kek, self._signing_path = folder / "kek", folder / "signing"
        self.signing = SigningKey.create(self._signing_path, PASSPHRASE, name="payments")
        self.provider: EncryptionProvider = EncryptionProviderFactory.create(EncryptionConfig(**self.encryption))
        self.provider.check()

    @property
    def public_key(self) -> str:
        """What the service's trail is verified with."""
        return self.signing.public_key

    @property
    def encryption(self) -> dict[str, Any]:
        """Fields of the ``encryption_config``."""
        return {"provider": "local_key", "key_path": str(self.kek), "passphrase": PASSPHRASE}

    @property
    def signs(self) -> dict[str, Any]:
        """Fields of the ``signing_config``."""
        return {"key_path": str(self._signing_path), "passphrase": PASSPHRASE}


class Site:
    """The service ``payments`` in production: its Kafka, and the commands with its auditor's configuration.

    Args:
        kafka: A Kafka with the topic ``audit-events``.
        folder: Folder of its configuration, spool and fallback store.
        keys: Its key files.
    """

    def __init__(self, kafka: EmbeddedKafka, folder: Path, keys: KeyFiles) -> None:
        self.kafka = kafka
        self.folder = folder
        self.keys = keys
        self.file = folder / "telemetry.toml"
        self._write_file()

    def config(self, *, service: str = "payments", environment: str = "production", **audit: Any) -> TelemetryConfig:
        """Return the configuration of a process that logs here."""
        values = {**self._fields(), "signing_config": self.keys.signs, **audit}
        return TelemetryConfig(service_name=service, environment=environment, audit_config=values)  # type: ignore[arg-type]

    def log(self, event_types: Iterable[str], **config: Any) -> None:
        """Log events as one process of a service does, from its start to its shutdown."""
        with Telemetry(self.config(**config)) as telemetry:
            for number, event_type in enumerate(event_types):
                telemetry.audit.log(event_type, {"amount": number}, f"user-{number % 3}")

    def writer(self, number: int = 1, *, service: str = "payments", **changes: Any) -> Writer:
        """Return a process of a service that this site's keys open; its checkpoints are signed by the site's key."""
        key = SealingKey(self.keys.provider, source_of("production", service))
        return Writer(number, **{"service": service, "key": key, "signer": self.keys.signing, **changes})

    def put(self, records: Sequence[RawRecord]) -> None:
        """Write records to the topic as anyone who may write there can."""
        produce(self.kafka.bootstrap_servers, records)

    def records(self, topic: str = TOPIC) -> list[RawRecord]:
        """Return the records of a topic, with their headers."""
        audit = self.config(kafka_topic=topic, signing_config=None).audit_config
        with KafkaSource(audit, headers=True) as source:
            return raw_records(source)

    @contextmanager
    def rewritten(self, records: Sequence[RawRecord]) -> Iterator[Site]:
        """Yield the same site after its broker's operator exchanged the content of the topic, whose name stays."""
        folder = self.folder / "rewritten"
        folder.mkdir()
        with EmbeddedKafka(partitions=1) as kafka:
            other = Site(kafka, folder, self.keys)
            other.put(records)
            yield other

    def run(self, command: str, *options: str) -> Ended:
        """Run a command with the auditor's configuration file."""
        return run(command, "-c", str(self.file), *options)

    def run_as_service(self, *words: str) -> Ended:
        """Run a command with the configuration of the service itself, which signs."""
        self._write_file("service.toml", signing_config=self.keys.signs)
        return run(*words, "-c", str(self.folder / "service.toml"))

    def verify(self, *options: str) -> Verified:
        """Verify the trail, with the service's public key unless the options name trusted keys."""
        if not {"--public-key", "--trust"} & set(options):
            options = ("--public-key", self.keys.public_key, *options)
        ended = self.run("verify", "--json", *options)
        assert ended.out, ended.err
        return Verified(ended, json.loads(ended.out))

    def witness(self, rosters: Path) -> tuple[str, ...]:
        """Have a witness look at the topic once and publish its roster; return the options of a verifier that requires it.

        Args:
            rosters: Folder of the rosters, out of the broker's reach.
        """
        ended = self.run_witness(rosters)
        assert ended.code == 0, ended.err
        witness = SigningKey.load(_witness_key(rosters), SecretStr(PASSPHRASE)).public_key
        required = ("--require-witness", witness, "--roster", rosters.absolute().as_uri())
        return "--public-key", self.keys.public_key, *required

    def run_witness(self, rosters: Path, *more: str) -> Ended:
        """Run the witness once, with the key that it has beside its rosters.

        It watches the streams of the service's public key, unless the options name a trust file.

        Args:
            rosters: Folder of the rosters.
            more: Further options.
        """
        key = _witness_key(rosters)
        if not key.exists():
            SigningKey.create(key, PASSPHRASE, name="witness")
        self._write_file("witness.toml", signing_config={"key_path": str(key), "passphrase": PASSPHRASE})
        if "--trust" not in more:
            more = ("--public-key", self.keys.public_key, *more)
        options = ("--once", "--roster", rosters.absolute().as_uri())
        return run("witness", "-c", str(self.folder / "witness.toml"), *options, *more)

    def acknowledge(self, *findings: str, by: Path) -> tuple[str, str]:
        """Have an auditor acknowledge findings by their ids; return the option that names the signed file.

        Args:
            findings: Ids of the findings, from ``verify --json``.
            by: The auditor's signing key.
        """
        self._write_file("auditor.toml", signing_config={"key_path": str(by), "passphrase": PASSPHRASE})
        file = self.folder / "acknowledged"
        ended = run(
            *("acknowledge", *findings, "-c", str(self.folder / "auditor.toml"), "--out", str(file)),
            *("--reason", "a test of the alarm", "--author", "the auditor", "--expires", "2099-01-01"),
        )
        assert ended.code == 0, ended.err
        return "--acknowledged", str(file)

    def service_file(self, **audit: Any) -> Path:
        """Write the configuration of the service itself, which has its signing key, and return the file.

        Args:
            audit: Further fields of the ``audit_config``.
        """
        self._write_file("service.toml", audit, signing_config=self.keys.signs)
        return self.folder / "service.toml"

    def _fields(self) -> dict[str, Any]:
        return {
            "kafka_brokers": self.kafka.bootstrap_servers,
            "security_protocol": "PLAINTEXT",
            "kafka_timeout_ms": 20_000,
            "read_audit": "off",
            "fallback_enabled": False,
            "encryption_config": self.keys.encryption,
        }

    def _write_file(
        self, name: str = "telemetry.toml", more: Mapping[str, Any] | None = None, **tables: dict[str, Any]
    ) -> None:
        fields = {**self._fields(), **(more or {})}
        tables["encryption_config"] = fields.pop("encryption_config")
        lines = ['service_name = "payments"', "[audit_config]"]
        lines += [f"{field} = {json.dumps(value)}" for field, value in fields.items()]
        for table, values in tables.items():
            lines.append(f"[audit_config.{table}]")
            lines += [f"{field} = {json.dumps(value)}" for field, value in values.items()]
        file = self.folder / name
        file.write_text("\n".join(lines))
        file.chmod(0o600)


def _witness_key(rosters: Path) -> Path:
    return rosters.with_name("witness-key")


class Verified:
    """What ``verify --json`` said.

    Args:
        ended: Exit code and output.
        report: The report.

    Attributes:
        code: Exit code.
        verdict: Verdict on the whole trail.
        err: What it wrote for people.
    """

    def __init__(self, ended: Ended, report: dict[str, Any]) -> None:
        self.code = ended.code
        self.err = ended.err
        self.report = report
        self.verdict: str = report["verdict"]

    def of(self, producer: str) -> dict[str, Any]:
        """Return the report on one producer; empty where there is none."""
        return next((each for each in self.report["producers"] if each["producer"] == producer), {})

    def proven(self, producer: str) -> int:
        """Return how many events of a producer are proven."""
        return int(self.of(producer).get("proven", 0))

    @property
    def findings(self) -> str:
        """Every finding as one text, to look for what is named in it."""
        producers = [finding for each in self.report["producers"] for finding in each["findings"]]
        return json.dumps([*self.report["findings"], *producers])

    def __repr__(self) -> str:
        return f"Verified(code={self.code}, {json.dumps(self.report, indent=1)})"
