"""Every subcommand of ``telemetry fallback`` on each of the four stores."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from telemetry.cli.app import app
from telemetry.config import StorageConfig
from telemetry.storage import StorageProvider, StorageProviderFactory
from tests.cli.test_main_job import Trail
from tests.services.kafka import KafkaBroker
from tests.support.leftovers import records, stored
from tests.support.outage_processes import plain

pytestmark = pytest.mark.services


class Command:
    """The command, run in this process with a configuration file."""

    def __init__(self, config: Path) -> None:
        self._config = str(config)

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["fallback", *arguments, "-c", self._config])

    def lines(self, *arguments: str, code: int = 0) -> list[dict[str, Any]]:
        done = self(*arguments)
        assert done.exit_code == code, done.output
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def store(any_config: StorageConfig) -> Iterator[StorageProvider]:
    with StorageProviderFactory.create(any_config) as provider:
        yield provider


@pytest.fixture
def run(any_config: StorageConfig, kafka: KafkaBroker, topic: str, tmp_path: Path) -> Command:
    # The service of ``tests.support.leftovers``, which has no key.
    trail = Trail(tmp_path, kafka, topic, storage=plain(any_config))
    del trail.tables["encryption_config"]
    trail.service = "shop"
    trail.configure(encryption_enabled=False)
    return Command(trail.config)


def _numbers(broker: KafkaBroker, topic: str) -> list[int]:
    return sorted(json.loads(message.value() or b"")["sequence"] for message in broker.read(topic))


def test_list_show_verify_export_replay(
    store: StorageProvider, run: Command, kafka: KafkaBroker, topic: str, tmp_path: Path
) -> None:
    originals = records(40)
    first, second = stored(store, originals[:20], topic=topic), stored(store, originals[20:], topic=topic)

    listed = run.lines("list", "--json")
    assert [(row["state"], row["name"], row["first"], row["last"]) for row in listed] == [
        ("waiting", first, 0, 19),
        ("waiting", second, 20, 39),
    ]
    table = run("list")
    assert table.exit_code == 0
    assert first in table.stdout
    header, *shown = run.lines("show", first)
    assert (header["topic"], header["count"], header["reason"]) == (topic, 20, "unavailable")
    assert [record["value"]["sequence"] for record in shown] == list(range(20))
    assert all("data" not in record["value"] for record in shown)
    assert [row["good"] for row in run.lines("verify", "--json")] == [True, True]
    target = tmp_path / "records.jsonl"
    assert run.lines("export", str(target), "--json") == [{"records": 40, "objects": 2, "damaged": 0, "unopened": 0}]
    assert target.stat().st_mode & 0o777 == 0o600
    exported = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
    assert [(line["key"].encode(), line["value"].encode()) for line in exported] == [
        (r.key, r.value) for r in originals
    ]
    assert run.lines("replay", "--json") == [{"replayed": 40, "rejected": 0, "unmarked": 0}]

    assert _numbers(kafka, topic) == list(range(40))
    assert run.lines("list", "--json") == []
    assert run.lines("replay", "--json") == [{"replayed": 0, "rejected": 0, "unmarked": 0}]


def test_damaged_and_rejected_objects(
    store: StorageProvider, run: Command, kafka: KafkaBroker, topic: str, tmp_path: Path
) -> None:
    originals = records(30)
    whole = stored(store, originals[:10], topic=topic)
    altered = bytearray(store.get(whole))
    altered[-20] ^= 1
    store.delete(whole)
    store.put(whole, bytes(altered))
    refused = stored(store, originals[10:20], topic=topic)
    store.put(f"rejected/{refused}", store.get(refused))
    store.delete(refused)
    stored(store, originals[20:], topic=topic)

    assert {row["name"]: row["good"] for row in run.lines("verify", "--json", code=3)}[whole] is False
    (report,) = run.lines("export", str(tmp_path / "records.jsonl"), "--json", code=3)
    assert report == {"records": 20, "objects": 2, "damaged": 1, "unopened": 0}
    assert run("show", whole).exit_code == 3
    assert run.lines("replay", "--json") == [{"replayed": 10, "rejected": 0, "unmarked": 0}]
    listed = {row["name"]: row["state"] for row in run.lines("list", "--json")}
    assert listed == {f"rejected/{refused}": "rejected", f"quarantine/{whole}": "damaged"}
    assert store.get(f"quarantine/{whole}") == bytes(altered)

    assert run.lines("replay", "--rejected", "--json") == [{"replayed": 10, "rejected": 0, "unmarked": 0}]
    assert _numbers(kafka, topic) == list(range(10, 30))
    assert [row["state"] for row in run.lines("list", "--json")] == ["damaged"]


def test_impossible_requests_have_their_exit_codes(
    store: StorageProvider, run: Command, topic: str, tmp_path: Path
) -> None:
    stored(store, records(2), topic=topic)
    there = tmp_path / "there.jsonl"
    there.write_text("kept")

    for target in (there, tmp_path / "no" / "such" / "folder.jsonl"):
        done = run("export", str(target))
        assert done.exit_code == 2
        assert str(target) in done.stderr
    assert there.read_text() == "kept"
    assert run("show", f"{topic}/2025/11/23/none.jsonl").exit_code == 6
    assert run("show", "../../etc/passwd").exit_code == 6
    with store.lock(f"replay-{topic}", owner="another", seconds=60.0) as lock:
        assert lock.is_held
        done = run("replay")
        assert done.exit_code == 6
        assert "another process replays" in done.stderr
    assert len(run.lines("list", "--json")) == 1


@pytest.mark.parametrize("name", ["list", "show", "replay", "verify", "export"])
def test_help_has_an_example(name: str) -> None:
    done = CliRunner().invoke(app, ["fallback", name, "--help"])

    assert done.exit_code == 0
    assert f"telemetry fallback {name}" in done.stdout.partition("Example")[2]
