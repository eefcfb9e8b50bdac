"""A service whose subjects have keys, everything that is left of its trail, and an attacker who has all secrets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from telemetry.config import TelemetryConfig
from telemetry.encryption.signing_key import SigningKey
from telemetry.encryption.subjects.opening import subject_keys_of
from telemetry.encryption.unwrap.budget import UnwrapBudget
from telemetry.exceptions import TelemetryError
from telemetry.format.value.message import parse
from telemetry.format.value.open_record import sealed_bytes
from telemetry.format.value.subject.content import subject_part
from telemetry.reader import KafkaSource, RawRecord
from telemetry.reader.open.data_keys import DataKeys
from telemetry.sync import Telemetry
from tests.support.in_process import Ended, run
from tests.support.raw_records import raw_records
from tests.support.subject_stores import SubjectSite, local_provider

SOURCE = "/production/shop"
HMAC_SECRET = "the secret of hmac keys, known to the attacker"
PASSPHRASE = "a passphrase of a test"
FIELDS = (
    "session_id",
    "actor_id",
    "entity_id",
    "tenant_id",
    "correlation_id",
    "reason",
    "user_agent",
    "idempotency_key",
)


_DYING = """
import json, os, signal, sys
from telemetry.config import TelemetryConfig
from telemetry.sync import Telemetry
from tests.support.forgotten_site import log
audit, users = json.load(sys.stdin)
telemetry = Telemetry(TelemetryConfig(service_name="shop", environment="production", audit_config=audit))
telemetry.start()
print(json.dumps({user: log(telemetry, user, "spooled", wait_for="durable") for user in users}), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


class ForgottenSite:
    """The service ``shop``, with keys, store and spool in one folder.

    Args:
        brokers: A Kafka.
        topic: Its topic.
        folder: Everything that is on disks.
        subjects: The store of the subjects' keys.
    """

    def __init__(self, brokers: str, topic: str, folder: Path, *, subjects: SubjectSite) -> None:
        self.folder = folder
        self.subjects = subjects
        self.provider = local_provider(folder)
        self.provider.check()
        self.sections: dict[str, Mapping[str, Any]] = {}
        """Further sections of the configuration file."""
        self._brokers, self._topic = brokers, topic
        self.signing = SigningKey.create(folder / "signing", PASSPHRASE, name="shop")

    def audit(self, **changes: Any) -> dict[str, Any]:
        """Return the fields of the ``audit_config``."""
        return {
            "kafka_brokers": self._brokers,
            "kafka_topic": self._topic,
            "security_protocol": "PLAINTEXT",
            "batch_timeout_ms": 5,
            "read_audit": "off",
            "key_mode": "hmac",
            "key_hmac_secret": HMAC_SECRET,
            "fallback_object_seconds": 0.2,
            "encryption_config": {
                "provider": "local_key",
                "key_path": str(self.folder / "audit.key"),
                "passphrase": PASSPHRASE,
            },
            "signing_config": {"key_path": str(self.folder / "signing"), "passphrase": PASSPHRASE},
            "storage_config": {"provider": "local_file", "base_path": str(self.folder / "fallback")},
            "subject_keys": {"store": self.subjects.url, "lease_seconds": 10},
            **changes,
        }

    def config(self, **changes: Any) -> TelemetryConfig:
        """Return the configuration of a process."""
        return TelemetryConfig(service_name="shop", environment="production", audit_config=self.audit(**changes))  # type: ignore[arg-type]

    def log_and_die(self, users: Iterable[str]) -> dict[str, str]:
        """Have a process log an event of each user, and kill it while they are in its spool alone; return their ids."""
        spooling = {"spool_path": str(self.folder / "spool"), "batch_timeout_ms": 60_000, "batch_size_kb": 10_240}
        arguments = json.dumps([self.audit(**spooling), list(users)])
        done = subprocess.run(
            [sys.executable, "-c", _DYING], input=arguments, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        ids: dict[str, str] = json.loads(done.stdout)
        return ids

    def run(self, *words: str, **changes: Any) -> Ended:
        """Run a command with a configuration file of the service."""
        lines = ['service_name = "shop"', 'environment = "production"', *_tables("audit_config", self.audit(**changes))]
        lines += [line for name, fields in self.sections.items() for line in _tables(name, fields)]
        file = self.folder / "telemetry.toml"
        file.write_text("\n".join(lines))
        file.chmod(0o600)
        return run(*words, "-c", str(file))

    def forget(self, user_id: str) -> None:
        """Forget a user, as an operator does."""
        ended = self.run("subject", "forget", user_id, "--reason", "request 77", "--yes")
        assert ended.code == 0, ended.err

    def events(self) -> dict[str, dict[str, Any]]:
        """Return every event of the trail as ``tail --json`` shows it, by id; it must end with 0."""
        ended = self.run("tail", "--json", "--public-key", self.signing.public_key)
        assert ended.code == 0, ended.err
        return {event["id"]: event for event in map(json.loads, ended.out.splitlines())}

    def records(self) -> list[RawRecord]:
        """Return the records of the topic, as they are there."""
        with KafkaSource(self.config().audit_config, headers=True) as source:
            return raw_records(source)

    def files(self) -> dict[str, bytes]:
        """Return every file of the spool and of the fallback store."""
        folders = (self.folder / "spool", self.folder / "fallback")
        return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}

    def store_bytes(self) -> bytes:
        """Return what is on the disk of the store of subjects, in SQLite."""
        if self.subjects.file is None:
            return b""
        return b"".join(path.read_bytes() for path in self.folder.glob(f"{self.subjects.file.name}*"))


def log(telemetry: Telemetry, user_id: str, mark: str, *, wait_for: Any = None) -> str:
    """Log an event in which everything names the user; return its id."""
    fields: dict[str, Any] = {name: f"{name}-of-{user_id}" for name in FIELDS}
    fields["idempotency_key"] = f"once-of-{user_id}-{mark}"
    changes = {"iban": (f"old-of-{user_id}", f"new-of-{user_id}")}
    receipt = telemetry.audit.log(
        f"order.{mark}",
        {"name": f"payload-of-{user_id}"},
        user_id,
        changes=changes,
        extra=f"extra-of-{user_id}",
        wait_for=wait_for,
        **fields,
    )
    return receipt.event_id


def _tables(name: str, fields: Mapping[str, Any]) -> Iterator[str]:
    yield f"[{name}]"
    plain = {key: value for key, value in fields.items() if value is not None and not isinstance(value, Mapping)}
    yield from (f"{key} = {json.dumps(value)}" for key, value in plain.items())
    for key, value in fields.items():
        if isinstance(value, Mapping):
            yield from _tables(f"{name}.{key}", value)


class Attacker:
    """Has the KEK, every secret of the trail and of the store, and all bytes; opens what can be opened.

    Args:
        site: The service.
        records: The records that it has, also of an old copy of the topic.
        files: The files that it has, by name.
    """

    def __init__(self, site: ForgottenSite, records: Iterable[RawRecord], files: Mapping[str, bytes]) -> None:
        self._site = site
        self._secrets: list[bytes] = [HMAC_SECRET.encode(), PASSPHRASE.encode()]
        self._texts: list[bytes] = [*files.values()]
        self._opened: list[bytes] = []
        keys = DataKeys(site.provider, budget=UnwrapBudget())
        with ExitStack() as stack:
            stack.callback(keys.close)
            subjects = stack.enter_context(_opened_subjects(site))
            self._read_store()
            for record in records:
                self._texts += [record.key or b"", record.value or b"", *(value for _, value in record.headers)]
                self._open(record.value or b"", keys, subjects)

    def finds(self, user_id: str) -> list[str]:
        """Return how a person is found, with a dictionary that has the right user id."""
        corpus = b"\n".join(self._texts + self._opened)
        found = [f"{name} as text" for name, text in _spelled(user_id) if text in corpus]
        return found + [name for name, guess in self._guesses(user_id) if _appears(guess, corpus)]

    def reads(self, text: str) -> bool:
        """Return whether a text can be read."""
        return any(text.encode() in one for one in self._texts + self._opened)

    def _open(self, value: bytes, keys: DataKeys, subjects: Any) -> None:
        try:
            message = parse(value)
        except TelemetryError:
            return
        data_key, _ = keys.find(message, waited=False)
        plaintext = sealed_bytes(message, cipher=data_key.cipher, kid=data_key.kid)
        self._opened.append(plaintext)
        part = subject_part(plaintext)
        if part is None:
            return
        self._opened.append(part.sealed)
        key = subjects.open([part.key_id])[part.key_id]
        if hasattr(key, "cipher"):
            self._opened.append(key.cipher.decrypt(part.sealed[:12], part.sealed[12:], part.beside))

    def _read_store(self) -> None:
        """Read every cell of the store, and unwrap its own secrets."""
        store = self._site.subjects
        if store.file is None:
            return
        with closing(sqlite3.connect(store.file)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                for row in connection.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - names of its own tables
                    self._texts += [cell if isinstance(cell, bytes) else str(cell).encode() for cell in row]
        self._texts.append(self._site.store_bytes())
        with _opened_subjects(self._site) as subjects:
            secret = subjects._store_keys.find_lookup_secret(SOURCE)
            if secret is not None:
                self._secrets.append(secret.plaintext)

    def _guesses(self, user_id: str) -> Iterator[tuple[str, bytes]]:
        """Yield every digest of the code base that a user id goes into, under every secret."""
        texts = {"user": user_id.encode(), "user and service": f"{user_id}:shop".encode()}
        for name, text in list(texts.items()):
            for number, secret in enumerate(self._secrets):
                hidden = hmac.digest(secret, text, "sha256")
                yield f"HMAC {number} of {name}", hidden
                yield (
                    f"key hash of HMAC {number} of {name}",
                    hashlib.sha256(b"\x02" + hidden.hex().encode()).digest()[:16],
                )
            yield f"key hash of {name}", hashlib.sha256(b"\x02" + text).digest()[:16]
            yield f"SHA-256 of {name}", hashlib.sha256(text).digest()
            for prefix in (b"telemetry event commitment v1\x00", b"telemetry subject lookup v1\x00"):
                yield f"hash with a prefix of {name}", hashlib.sha256(prefix + text).digest()
        bound = b"".join(len(part).to_bytes(4, "big") + part for part in (SOURCE.encode(), user_id.encode()))
        for number, secret in enumerate(self._secrets):
            yield f"lookup {number}", hmac.digest(secret, b"telemetry subject lookup v1\x00" + bound, "sha256")
        # The digest of an idempotency key covers what the caller gave, which can be guessed as a whole.
        for mark in ("before", "stored", "spooled"):
            yield f"dedup digest ({mark})", _dedup_digest(user_id, mark)


def _opened_subjects(site: ForgottenSite) -> Any:
    opened = subject_keys_of(site.config(), site.provider)
    assert opened is not None
    return opened


def _dedup_digest(user_id: str, mark: str) -> bytes:
    fields = {name: f"{name}-of-{user_id}" for name in FIELDS[:3]}
    content = (
        json.dumps(user_id).encode() + json.dumps({"name": f"payload-of-{user_id}"}, separators=(",", ":")).encode()
    )
    given = b"%b\x00%b\x00%b" % (f"order.{mark}".encode(), content, json.dumps(fields, separators=(",", ":")).encode())
    return hashlib.sha256(given).digest()


def _spelled(user_id: str) -> Iterator[tuple[str, bytes]]:
    text = user_id.encode()
    yield "user id", text
    yield "hexadecimal", text.hex().encode()
    for start in range(3):
        # Base64 of a part of a text depends on where it begins.
        encoded = base64.b64encode(bytes(start) + text)[4 * bool(start) : -4]
        yield "base64", encoded
        yield "base64url", encoded.translate(bytes.maketrans(b"+/", b"-_"))


def _appears(digest: bytes, corpus: bytes) -> bool:
    encoded = base64.b64encode(digest).rstrip(b"=")
    spellings = (digest, digest.hex().encode(), encoded[:-1], encoded[:-1].translate(bytes.maketrans(b"+/", b"-_")))
    return any(spelling in corpus for spelling in spellings)


__all__ = ["PASSPHRASE", "SOURCE", "Attacker", "ForgottenSite", "log"]
