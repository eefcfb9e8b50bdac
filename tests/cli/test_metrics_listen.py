"""Commands that run until a signal, as processes of their own, and a scrape of the metrics that their alerts need."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from telemetry.outbox import Outbox
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from tests.attacks.site import KeyFiles, Site
from tests.support.alert_rules import RULES
from tests.support.outbox_tables import OutboxSite
from tests.support.readable_trail import EVENTS, ReadableTrail
from tests.support.rule_metrics import used_names
from tests.support.scraping import Series, series_of
from tests.support.siem import Siem, running
from tests.support.until import until

_PATIENCE = 120.0


class Running:
    """A command that serves its metrics.

    Args:
        words: The command and its options.
        log: File that gets what it writes to standard error.
    """

    def __init__(self, words: list[str], log: Path) -> None:
        self._log = log
        command = [sys.executable, "-m", "telemetry", *words, "--metrics-listen", "http://127.0.0.1:0"]
        with log.open("wb") as err:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=err, bufsize=0
            )

    @property
    def address(self) -> str:
        until(lambda: self._written() or self.process.poll() is not None, timeout=_PATIENCE, state=self._log.read_text)
        found = self._written()
        assert found is not None, self._log.read_text()
        return found[1]

    def scrape(self) -> Series:
        return series_of(httpx.get(f"{self.address}/metrics", timeout=_PATIENCE).text)

    def value(self, name: str) -> float:
        return sum(value for series, value in self.scrape().items() if series.partition("{")[0] == name)

    def _written(self) -> re.Match[str] | None:
        return re.search(r"metrics on (http://127\.0\.0\.1:\d+)\n", self._log.read_text())


@contextmanager
def serving(words: list[str], folder: Path) -> Iterator[Running]:
    """Run a command until the block ends, then end it by a signal, and check that nobody answers afterwards."""
    command = Running(words, folder / "command.log")
    try:
        yield command
        address = command.address
        command.process.send_signal(signal.SIGTERM)
        assert command.process.wait(_PATIENCE) in (0, 128 + signal.SIGTERM), (folder / "command.log").read_text()
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{address}/healthz", timeout=_PATIENCE)
    finally:
        command.process.kill()
        command.process.wait(_PATIENCE)
        if command.process.stdin is not None:
            command.process.stdin.close()


def names(series: Series) -> set[str]:
    return {one.partition("{")[0] for one in series}


def alerted(prefix: str) -> set[str]:
    """Return the metrics of the shipped alert rules that begin so."""
    found = {name for name in used_names(RULES.read_text()) if name.startswith(prefix)}
    assert found
    return found


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[ReadableTrail]:
    with EmbeddedKafka() as kafka:
        yield ReadableTrail(kafka, tmp_path)


def test_forward_shows_what_its_alerts_need(trail: ReadableTrail, tmp_path: Path) -> None:
    with running(Siem()) as siem:
        words = ["forward", "-c", str(trail.file), "--group", "siem", "--to", "http", "--url", siem.url]
        with serving(words, tmp_path) as command:
            until(lambda: command.value("audit_forward_forwarded_total") == len(EVENTS), timeout=_PATIENCE)
            shown = command.scrape()
            assert httpx.get(f"{command.address}/healthz", timeout=_PATIENCE).json() == {"status": "ok"}

    assert alerted("audit_forward_") <= names(shown)
    assert not any(user in series for series in shown for user in ("alice", "carol"))


def test_relay_shows_what_its_alerts_need(tmp_path: Path) -> None:
    keys_folder = tmp_path / "keys"
    keys_folder.mkdir(mode=0o700)
    table = OutboxSite.in_sqlite(tmp_path)
    with EmbeddedKafka(partitions=1) as kafka:
        site = Site(kafka, tmp_path, KeyFiles(keys_folder))
        with Telemetry(site.config()) as telemetry, table.connection() as connection:
            Outbox(telemetry).log(connection, "order.paid", {"n": 1}, "ada")
        site.run_as_service("config", "check")
        words = ["relay", "-c", str(tmp_path / "service.toml"), "--database", table.url]
        with serving(words, tmp_path) as command:
            until(lambda: command.value("audit_outbox_relayed_total") == 1, timeout=_PATIENCE)
            shown = command.scrape()

    assert alerted("audit_outbox_") <= names(shown)
    assert "audit_events_lost_total" in names(shown)


def test_log_shows_what_it_has_logged(trail: ReadableTrail, tmp_path: Path) -> None:
    with serving(["log", "-c", str(trail.file)], tmp_path) as command:
        assert command.process.stdin is not None
        command.process.stdin.write(b'{"event_type":"step","user_id":"alice"}\n')
        until(lambda: command.value("audit_events_processed_total") == 1, timeout=_PATIENCE)


def test_second_command_on_the_address_ends_at_once(trail: ReadableTrail, tmp_path: Path) -> None:
    with serving(["log", "-c", str(trail.file)], tmp_path) as command:
        ended = trail.run("log", "--metrics-listen", command.address)

    assert ended.code == 2
    assert f"{command.address}: cannot be listened on" in ended.err
    assert "choose another address" in ended.err
