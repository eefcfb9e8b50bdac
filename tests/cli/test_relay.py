from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry.outbox import Outbox, create_table_sql
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from tests.attacks.site import KeyFiles, Site
from tests.services.postgres import PostgresServer
from tests.support.in_process import Ended, run
from tests.support.outbox_tables import OutboxSite, row
from tests.support.until import until


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    return KeyFiles(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def site(keys: KeyFiles, tmp_path: Path) -> Iterator[Site]:
    with EmbeddedKafka(partitions=1) as kafka:
        yield Site(kafka, tmp_path, keys)


@pytest.fixture
def table(postgres: PostgresServer) -> OutboxSite:
    return OutboxSite.in_postgres(postgres)


@pytest.fixture
def relay_file(site: Site, tmp_path: Path, table: OutboxSite) -> Path:
    """The configuration of a relay: it names a signing key, and no key that opens anything."""
    signing = site.keys.signs
    file = tmp_path / "relay.toml"
    file.write_text(
        f'service_name = "payments"\n[audit_config]\nkafka_brokers = "{site.kafka.bootstrap_servers}"\n'
        'security_protocol = "PLAINTEXT"\nrelay_only = true\nfallback_enabled = false\n'
        f'[audit_config.signing_config]\nkey_path = "{signing["key_path"]}"\npassphrase = "{signing["passphrase"]}"\n'
        f'[outbox_config]\ndatabase = "{table.url}"\npoll_seconds = 0.05\n'
    )
    file.chmod(0o600)
    return file


def log(site: Site, table: OutboxSite, *numbers: int) -> None:
    with Telemetry(site.config()) as telemetry, table.connection() as connection:
        for number in numbers:
            Outbox(telemetry).log(connection, "order.paid", {"n": number, "iban": "DE02-canary"}, "ada")


def counts(ended: Ended) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ended.out)
    return found


def test_relay_without_a_key_delivers_sealed_events(site: Site, table: OutboxSite, relay_file: Path) -> None:
    log(site, table, 1, 2, 3)
    assert not any(b"canary" in bytes(data) for (data,) in table.query("SELECT data FROM telemetry_outbox"))

    ended = run("relay", "-c", str(relay_file), "--once", "--json")

    assert ended.code == 0, ended.err
    assert {name: counts(ended)[name] for name in ("relayed", "held", "waiting")} == {
        "relayed": 3,
        "held": 0,
        "waiting": 0,
    }
    assert table.ids() == []
    shown = site.run("tail", "--json", "--public-key", site.keys.public_key)
    assert [json.loads(line)["payload"]["n"] for line in shown.out.splitlines()] == [1, 2, 3]
    assert site.verify().verdict == "complete"


def test_sigterm_ends_the_relay_cleanly(site: Site, table: OutboxSite, relay_file: Path) -> None:
    log(site, table, *range(10))
    command = [sys.executable, "-m", "telemetry", "relay", "-c", str(relay_file), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until(lambda: table.ids() == [] or process.poll() is not None)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=120)

    assert process.returncode == 0, err
    assert json.loads(out)["relayed"] == 10


def test_killed_relay_is_followed_by_another(site: Site, table: OutboxSite, relay_file: Path) -> None:
    command = [sys.executable, "-m", "telemetry", "relay", "-c", str(relay_file)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as first:
        log(site, table, 1)
        until(lambda: table.ids() == [] or first.poll() is not None)
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as second:
            first.kill()
            log(site, table, 2)
            until(lambda: table.ids() == [] or second.poll() is not None)
            second.send_signal(signal.SIGTERM)

    assert (first.returncode, second.returncode) == (-signal.SIGKILL, 0)
    shown = site.run("tail", "--json")
    assert [json.loads(line)["payload"]["n"] for line in shown.out.splitlines()] == [1, 2]


def test_held_rows_are_listed_and_retried(site: Site, table: OutboxSite, relay_file: Path) -> None:
    table.insert(row(7))
    log(site, table, 1)

    ended = run("relay", "-c", str(relay_file), "--once", "--json")
    assert (ended.code, counts(ended)["relayed"], counts(ended)["held_rows"]) == (0, 1, 1)
    listed = run("relay", "-c", str(relay_file), "--held", "--json")
    (held,) = [json.loads(line) for line in listed.out.splitlines()]
    assert held["event_id"] == row(7).event_id
    assert held["reason"].startswith("EventError")
    assert row(7).event_id in run("relay", "-c", str(relay_file), "--held").out.decode()

    assert "1 rows" in run("relay", "-c", str(relay_file), "--retry-held").err
    assert table.query("SELECT held FROM telemetry_outbox") == [(None,)]


def test_relay_of_another_service_holds_the_rows(site: Site, table: OutboxSite, relay_file: Path) -> None:
    log(site, table, 1)

    ended = run("relay", "-c", str(relay_file), "--service-name", "billing", "--once", "--json")

    assert (counts(ended)["relayed"], counts(ended)["held_rows"]) == (0, 1)


def test_absent_table_ends_the_command(relay_file: Path, postgres: PostgresServer) -> None:
    for mode in (["--once"], []):
        ended = run("relay", "-c", str(relay_file), "--database", postgres.new_database(), *mode)

        assert ended.code == 2
        assert "CREATE TABLE IF NOT EXISTS telemetry_outbox" in ended.err.replace('"', "")


def test_database_away_ends_a_single_run(relay_file: Path) -> None:
    ended = run("relay", "-c", str(relay_file), "--database", "postgresql://relay:hunter2@127.0.0.1:9/shop", "--once")

    assert ended.code == 6
    assert "127.0.0.1" in ended.err
    assert "hunter2" not in ended.err


def test_database_comes_from_a_file(relay_file: Path, table: OutboxSite, tmp_path: Path) -> None:
    secret = tmp_path / "database"
    secret.write_text(f"{table.url}\n")
    secret.chmod(0o600)

    ended = run("relay", "-c", str(relay_file), "--database-file", str(secret), "--once", "--json")

    assert (ended.code, counts(ended)["relayed"]) == (0, 0)


def test_relay_without_a_database_says_so(relay_file: Path) -> None:
    relay_file.write_text(relay_file.read_text().partition("[outbox_config]")[0])

    ended = run("relay", "-c", str(relay_file), "--once")

    assert ended.code == 2
    assert "outbox_config.database" in ended.err


def test_printed_schema_is_that_of_the_library() -> None:
    for dialect in ("postgresql", "sqlite"):
        assert run("relay", "--schema", dialect).out.decode() == create_table_sql(dialect)
    assert run("relay", "--schema", "mysql").code == 2


def test_relay_has_no_key_in_its_process(relay_file: Path) -> None:
    assert "encryption" not in relay_file.read_text()
    assert not [name for name in os.environ if name.startswith("TELEMETRY_")]
