"""A configuration file on an embedded Kafka, and the command ``log`` run with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from telemetry.encryption.signing_key import SigningKey
from telemetry.testing import EmbeddedKafka
from tests.support.in_process import Ended, run

PASSPHRASE = "correct horse battery staple"


class Acknowledged(NamedTuple):
    """An acknowledged event: its place in the input, and its name in the trail."""

    line: int
    event_id: str


class ImportSite:
    """A service whose events are sealed and signed.

    Args:
        kafka: Where they go.
        folder: Folder of configuration, keys, fallback store and spool.
        has_spool: Whether there is a spool.
        audit: Further fields of the ``AuditConfig``.
    """

    def __init__(self, kafka: EmbeddedKafka, folder: Path, *, has_spool: bool = False, **audit: Any) -> None:
        self.folder = folder
        self.config = folder / "telemetry.toml"
        self.fallback = folder / "fallback"
        key = SigningKey.create(folder / "signing", PASSPHRASE, name="import")
        self.public_key = key.public_key
        flat = {"kafka_brokers": kafka.bootstrap_servers, "security_protocol": "PLAINTEXT", "read_audit": "off"}
        if has_spool:
            flat["spool_path"] = str(folder / "spool")
        tables = {
            "encryption_config": {"provider": "local_key", "key_path": str(folder / "key"), "passphrase": PASSPHRASE},
            "signing_config": {"key_path": str(folder / "signing"), "passphrase": PASSPHRASE},
            "storage_config": {"provider": "local_file", "base_path": str(self.fallback)},
        }
        lines = ['service_name = "import"', "[audit_config]", *_toml(flat | audit)]
        for name, table in tables.items():
            lines += [f"[audit_config.{name}]", *_toml(table)]
        self.config.write_text("\n".join(lines))

    def log(self, stdin: bytes | str, *options: str) -> Ended:
        """Log an input inside the test's process."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        return run("log", "-c", str(self.config), *options, stdin=data)

    def events(self) -> list[dict[str, Any]]:
        """Return the events that a reader shows: each once."""
        ended = run("export", "-c", str(self.config), "--from", "all")
        assert ended.code == 0, ended.err
        return [json.loads(line) for line in ended.out.splitlines()]

    def numbers(self) -> list[int]:
        """Return the numbers in the payloads of the events, sorted."""
        return sorted(event["payload"]["n"] for event in self.events())

    def faults(self) -> list[dict[str, Any]]:
        """Verify the trail; return what the report says of each producer that is not complete."""
        ended = run("verify", "-c", str(self.config), "--public-key", self.public_key, "--json")
        report = json.loads(ended.out)
        faults = [producer for producer in report["producers"] if producer["verdict"] != "complete"]
        assert (ended.code == 0) == (not faults), report
        return faults


def counts_of(ended: Ended) -> dict[str, Any]:
    """Return the counts that ``--json`` printed last."""
    counts: dict[str, Any] = json.loads(ended.out.splitlines()[-1])
    return counts


def acknowledged_in(out: bytes) -> list[Acknowledged]:
    """Return the acknowledgements of an output, whose last line may be cut off."""
    lines = [json.loads(line) for line in out.split(b"\n")[:-1]]
    return [Acknowledged(line["line"], line["event_id"]) for line in lines if "event_id" in line]


def lines_of(numbers: range, *, users: int = 5) -> bytes:
    """Return one JSON line for each number."""
    return b"".join(
        b'{"event_type":"step","user_id":"user-%d","n":%d}\n' % (number % users, number) for number in numbers
    )


def not_logged_in(err: str) -> set[int]:
    """Return the line numbers that an output for people calls bad or not logged."""
    named: set[int] = set()
    for text in err.splitlines():
        place, _, reason = text.partition(": ")
        words = place.replace(",", "").split()
        if words[:1] == ["line"] and reason:
            first, last = int(words[1]), int(words[-1])
            named.update(range(first, last + 1))
    return named


def _toml(table: dict[str, Any]) -> list[str]:
    return [f"{name} = {json.dumps(value)}" for name, value in table.items()]
