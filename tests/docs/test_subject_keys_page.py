from __future__ import annotations

import re
import shlex
import tomllib
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from typer.main import get_command

from telemetry.cli.commands.keep.subject import app
from telemetry.config import SubjectKeysConfig, TelemetryConfig
from telemetry.encryption.subjects.lease import RENEWALS
from telemetry.exceptions import SubjectTableError
from tests.services.kafka import KafkaBroker
from tests.services.postgres import PostgresServer
from tests.support.in_process import run
from tests.support.subject_stores import SOURCE, SubjectSite, local_provider
from tests.support.until import until

PAGE = (Path(__file__).parents[2] / "docs" / "subject-keys.md").read_text("utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def _config(folder: Path, kafka: KafkaBroker, topic: str, url: str) -> Path:
    """Write the page's configuration with paths of a test, and what it leaves out."""
    for name, secret in (("kafka-key.secret", "k" * 32), ("subject-store.url", url)):
        (folder / name).write_text(f"{secret}\n")
        (folder / name).chmod(0o600)
    local_provider(folder).close()
    (block,) = _blocks("toml")
    path = folder / "shop.toml"
    path.write_text(
        'service_name = "shop"\n'
        + block.replace("/etc/shop", str(folder)).replace(
            "[audit_config]",
            f'[audit_config]\nkafka_brokers = "{kafka.bootstrap()}"\nkafka_topic = "{topic}"\n'
            'security_protocol = "PLAINTEXT"\nfallback_enabled = false',
        )
        + f'\n[audit_config.encryption_config]\nprovider = "local_key"\nkey_path = "{folder}/audit.key"\n'
        'passphrase = "a passphrase of a test"\n'
    )
    path.chmod(0o600)
    return path


def test_its_section_is_one_of_the_configuration() -> None:
    (block,) = _blocks("toml")

    section = tomllib.loads(block)["audit_config"]["subject_keys"]

    assert set(section) <= set(SubjectKeysConfig.model_fields)


@pytest.mark.services
def test_commands_of_the_page_run(
    kafka: KafkaBroker, topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    site = SubjectSite.in_sqlite(tmp_path)
    path = _config(tmp_path, kafka, topic, site.url)
    assert TelemetryConfig.load(path).audit_config.subject_keys is not None
    with local_provider(tmp_path) as provider:
        for commands in reversed(_blocks("sh")):
            with closing(site.keyring(provider)) as keyring:
                keyring.of(SOURCE).request(["user-123"]).result(60)
            for line in commands.splitlines():
                ended = run(*shlex.split(line)[1:])
                assert ended.code == 0, ended.err
    rows = site.execute("SELECT hold, forgotten_ms IS NOT NULL FROM telemetry_subject_keys")
    assert rows == [(None, 1)]


@pytest.mark.services
def test_rights_of_the_page_are_enough_to_log(postgres: PostgresServer, tmp_path: Path) -> None:
    site = SubjectSite.in_postgres(postgres)
    role = f"shop_{site.url.rpartition('/')[2]}"
    (grants,) = _blocks("sql")
    with psycopg.connect(site.url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN".encode())
        connection.execute(grants.replace(" TO shop", f" TO {role}").encode())
    limited = SubjectSite(site.url.replace("postgres@", f"{role}@", 1), server=postgres)

    with local_provider(tmp_path) as provider, closing(limited.keyring(provider, lease_seconds=10)) as keyring:
        keyring.of(SOURCE).request(["alice"]).result(60)
        key = keyring.of(SOURCE).take("alice")
        assert key is not None
        with site.open() as store:
            store.begin_forgetting([key.key_id])
            keyring.of(SOURCE).request(["bob"]).result(60)
            # The process that logs lacks the right to destroy it, and logs on.
            until(lambda: keyring.of(SOURCE).still_holds(key) is False)
            with limited.open() as mine, pytest.raises(SubjectTableError, match="may not use"):
                mine.destroy([key.key_id])
            keyring.of(SOURCE).request(["carol"]).result(60)
            assert store.of_keys([key.key_id])[0].state == "forgetting"


def test_numbers_of_the_page_are_those_of_the_code() -> None:
    assert RENEWALS == 10
    assert "ten times a lease (`lease_seconds`, 300)" in PAGE
    assert SubjectKeysConfig.model_fields["lease_seconds"].default == 300


def test_commands_that_the_page_names_exist() -> None:
    known = set(getattr(get_command(app), "commands", {}))

    assert set(re.findall(r"telemetry subject (\w+)", PAGE)) <= known
