from __future__ import annotations

import re
import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

import pytest
from typer.main import get_command

from telemetry.cli.commands.write.relay import app
from telemetry.outbox import OutboxRelay, create_table_sql, relay_metrics
from telemetry.reader import KafkaSource, OpenedEvent, TrailReader
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from telemetry.types import TelemetryConfig

PAGE = (Path(__file__).parents[2] / "docs" / "outbox.md").read_text("utf-8")


def _blocks(language: str) -> dict[str, str]:
    found = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return {block.splitlines()[0].removeprefix("# "): block for block in found}


def test_examples_run_and_their_events_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("shop.db")) as connection:
        connection.executescript(create_table_sql("sqlite"))
        connection.executescript(
            "CREATE TABLE orders (id integer, state text); INSERT INTO orders VALUES (77, 'paid');"
        )
    with EmbeddedKafka() as kafka:
        Path("telemetry.toml").write_text(
            f'[audit_config]\nkafka_brokers = "{kafka.bootstrap_servers}"\nsecurity_protocol = "PLAINTEXT"\n'
            "encryption_enabled = false\nfallback_enabled = false\n"
        )
        config = TelemetryConfig.load("telemetry.toml")
        for name in ("shop.py", "shop_sqlalchemy.py", "shop_relay.py"):
            exec(compile(_blocks("python")[name], name, "exec"), {})  # noqa: S102
        with Telemetry(config) as telemetry:
            OutboxRelay(telemetry, "sqlite:///shop.db").drain(timeout=60)
        with KafkaSource(config.audit_config) as source:
            events = [item.event for item in TrailReader(source, provider=None) if isinstance(item, OpenedEvent)]

    assert [(event.event_type, event.entity_id) for event in events] == [
        ("order.refunded", "77"),
        ("order.shipped", "77"),
    ]
    with closing(sqlite3.connect("shop.db")) as connection:
        assert connection.execute("SELECT state FROM orders").fetchone() == ("shipped",)


def test_django_example_is_python_that_names_what_exists() -> None:
    from telemetry.integrations.django import outbox  # noqa: PLC0415 - Django, for this test alone

    example = _blocks("python")["views.py"]

    compile(example, "views.py", "exec")
    assert re.findall(r"from telemetry\.integrations\.django\.outbox import (\w+)", example) == ["DjangoOutbox"]
    assert hasattr(outbox, "DjangoOutbox")
    assert _blocks("python")["settings.py"].splitlines()[1].endswith(f'["{outbox.__name__}"]')


def test_relay_configuration_loads(tmp_path: Path) -> None:
    secret = tmp_path / "database"
    secret.write_text("postgresql://relay:secret@db.example.com/shop\n")
    secret.chmod(0o600)
    values = tomllib.loads(_blocks("toml")["relay.toml"].replace("/run/secrets/relay-database", str(secret)))

    config = TelemetryConfig(**values)

    assert config.audit_config.relay_only
    assert config.outbox_config is not None
    assert config.outbox_config.database is not None
    assert config.outbox_config.database.get_secret_value().endswith("@db.example.com/shop")


def test_page_lists_every_metric_and_no_other() -> None:
    made = set(re.findall(r'"(audit\.outbox\.[a-z_]+)"', Path(relay_metrics.__file__).read_text("utf-8")))

    assert set(re.findall(r"`(audit\.outbox\.[a-z_]+)`", PAGE)) == made


def test_page_uses_options_of_the_command() -> None:
    command = get_command(app)
    known = {option for parameter in command.params for option in parameter.opts}

    used = {option for line in PAGE.splitlines() for option in re.findall(r"telemetry relay [^`#]*?(--[a-z-]+)", line)}

    assert used == {"--schema", "--once", "--held", "--retry-held", "--metrics-listen"}
    assert used <= known
