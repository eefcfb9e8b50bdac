from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from telemetry.reader import KafkaSource, OpenedEvent, TrailReader
from telemetry.testing import EmbeddedKafka
from tests.services.postgres import PostgresServer
from tests.support.outbox_tables import OutboxSite
from tests.support.quick_telemetry import quick_config
from tests.support.until import until

_ROOT = Path(__file__).parents[5]


@pytest.fixture
def kafka() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(partitions=1) as broker:
        yield broker


class Project:
    """The Django project of ``tests/support/outbox_project`` with a database and a Kafka."""

    def __init__(self, url: str, kafka: EmbeddedKafka, folder: Path) -> None:
        self.site = OutboxSite(url, is_created=True)
        self.kafka, self.folder = kafka, folder
        config = folder / "telemetry.toml"
        config.write_text(
            'service_name = "shop"\n[audit_config]\nsecurity_protocol = "PLAINTEXT"\nencryption_enabled = false\n'
            f'fallback_enabled = false\nkafka_brokers = "{kafka.bootstrap_servers}"\n'
        )
        self._environment = {
            **os.environ,
            "SHOP_DATABASE": url,
            "SHOP_CONFIG": str(config),
            "DJANGO_SETTINGS_MODULE": "tests.support.outbox_project.settings",
            "PYTHONPATH": os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start Python with arguments."""
        command = [sys.executable, *arguments]
        return subprocess.Popen(
            command, env=self._environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=_ROOT
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run Python with arguments; return exit code and output."""
        with self.start(*arguments) as process:
            output, _ = process.communicate(timeout=240)
            return process.returncode, output

    def manage(self, *arguments: str) -> tuple[int, str]:
        """Run a management command."""
        return self.run("-m", "django", *arguments)

    def names(self) -> list[str]:
        """Return the names of the groups that the events of the topic tell of."""
        with KafkaSource(quick_config(self.kafka.bootstrap_servers, self.folder)) as source:
            events = [item.event for item in TrailReader(source, provider=None) if isinstance(item, OpenedEvent)]
        return [event.payload["name"] for event in events]


@pytest.fixture(params=["postgresql", "sqlite"])
def project(request: pytest.FixtureRequest, kafka: EmbeddedKafka, tmp_path: Path) -> Project:
    if request.param == "sqlite":
        return Project(f"sqlite:///{tmp_path}/shop.db", kafka, tmp_path)
    server: PostgresServer = request.getfixturevalue("postgres")
    return Project(server.new_database(), kafka, tmp_path)


def test_committed_groups_have_their_events(project: Project) -> None:
    assert project.manage("migrate", "-v0") == (0, "")

    code, output = project.run("-m", "tests.support.outbox_project.shopping")
    assert (code, output.splitlines()[-1]) == (0, "refused"), output
    code, output = project.manage("audit_relay", "--once")

    assert (code, output.splitlines()[-1]) == (0, "2 relayed, 0 held, 0 waiting"), output
    assert project.site.ids() == []
    stored = [name for (name,) in project.site.query("SELECT name FROM auth_group ORDER BY id")]
    assert project.names() == stored == ["committed", "after the savepoint"]


def test_model_agrees_with_its_migration(project: Project) -> None:
    code, output = project.manage("makemigrations", "--check", "--dry-run", "telemetry_outbox")

    assert (code, output.splitlines()[-1]) == (0, "No changes detected in app 'telemetry_outbox'"), output


def test_absent_table_ends_the_relay(project: Project) -> None:
    project.site.query("SELECT 1")

    code, output = project.manage("audit_relay", "--once")

    assert code == 2
    assert "create it with" in output


def test_signal_ends_the_relay_cleanly(project: Project) -> None:
    assert project.manage("migrate", "-v0") == (0, "")
    project.run("-m", "tests.support.outbox_project.shopping")

    with project.start("-m", "django", "audit_relay") as process:
        until(lambda: project.site.ids() == [] or process.poll() is not None)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=120)

    assert (process.returncode, output.splitlines()[-1]) == (0, "2 relayed, 0 held, 0 waiting"), output
