"""Follows one event through a sealed copy in a file: no broker is asked, unless the event is opened."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry.encryption.signing_key import SigningKey
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig
from tests.support.in_process import Ended, run

Lines = list[dict[str, Any]]


class _Copied:
    """A trail of 40 events, its sealed copy, and the command that follows an event in it."""

    def __init__(self, kafka: EmbeddedKafka, folder: Path) -> None:
        self.folder = folder
        self.key = SigningKey.create(folder / "signing", "correct horse", name="audit")
        self.config = folder / "telemetry.toml"
        plain = {"kafka_brokers": kafka.bootstrap_servers, "security_protocol": "PLAINTEXT", "fallback_enabled": False}
        secret = {"provider": "local_key", "key_path": str(folder / "key"), "passphrase": "correct horse"}
        lines = ["[audit_config]", *(f"{name} = {json.dumps(value)}" for name, value in plain.items())]
        lines += [
            "[audit_config.encryption_config]",
            *(f"{name} = {json.dumps(value)}" for name, value in secret.items()),
        ]
        self.config.write_text("\n".join(lines))
        signing = {"key_path": folder / "signing", "passphrase": "correct horse", "every_events": 10}
        config = AuditConfig.model_validate({**plain, "encryption_config": secret, "signing_config": signing})
        with Telemetry(config) as telemetry:
            self.ids = [
                telemetry.audit.log("work", {"n": number}, "ada", idempotency_key="job").event_id
                for number in range(40)
            ]
        ended = run("export", "--sealed", "-c", str(self.config))
        assert ended.code == 0, ended.err
        self.lines: Lines = [json.loads(line) for line in ended.out.splitlines()]

    def write(self, lines: Lines) -> Path:
        file = self.folder / "evidence.jsonl"
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        return file

    def lineage(self, lines: Lines, event_id: str, *options: str) -> tuple[Ended, dict[str, Any]]:
        """Follow an event; the report is empty if there is none."""
        file = self.write(lines)
        ended = run("lineage", event_id, "--file", str(file), "--public-key", self.key.public_key, "--json", *options)
        return ended, json.loads(ended.out) if ended.out else {}

    def index_of(self, event_id: str) -> int:
        return next(at for at, line in enumerate(self.lines) if f'"id":"{event_id}"' in line["value"])


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Copied]:
    with EmbeddedKafka() as kafka:
        yield _Copied(kafka, tmp_path_factory.mktemp("trail"))


def test_copy_proves_an_event_without_broker(copied: _Copied) -> None:
    event_id = copied.ids[7]

    ended, report = copied.lineage(copied.lines, event_id)

    assert ended.code == 0, ended.err
    (record,) = report["records"]
    assert (record["id"], record["proven"]) == (event_id, "yes")
    line = copied.lines[copied.index_of(event_id)]
    (delivery,) = record["deliveries"]
    assert [delivery[name] for name in ("topic", "partition", "offset", "file")] == [
        *(line[name] for name in ("topic", "partition", "offset")),
        None,
    ]


def test_copy_without_places_names_lines(copied: _Copied) -> None:
    event_id = copied.ids[7]
    bare: Lines = [{name: line[name] for name in ("key", "value", "headers") if name in line} for line in copied.lines]

    ended, report = copied.lineage(bare, event_id)
    file = copied.folder / "evidence.jsonl"
    drawn = run("lineage", event_id, "--file", str(file), "--public-key", copied.key.public_key)

    assert (ended.code, drawn.code) == (0, 0)
    (delivery,) = report["records"][0]["deliveries"]
    assert (delivery["topic"], delivery["file"], delivery["line"]) == (None, str(file), copied.index_of(event_id) + 1)
    assert "partition None" not in drawn.out.decode()
    assert f"{file}, line {delivery['line']}" in drawn.out.decode()


def test_altered_line_is_reported(copied: _Copied) -> None:
    event_id = copied.ids[7]
    lines = list(copied.lines)
    at = copied.index_of(event_id)
    lines[at] = lines[at] | {"value": lines[at]["value"].replace('"type":"work"', '"type":"rest"')}

    ended, report = copied.lineage(lines, event_id)

    assert (ended.code, report["records"][0]["proven"]) == (3, "no")


def test_copy_without_checkpoints_proves_nothing(copied: _Copied) -> None:
    ended, report = copied.lineage([copied.lines[copied.index_of(copied.ids[7])]], copied.ids[7])

    assert (ended.code, report["records"][0]["proven"]) == (4, "pending")


def test_line_twice_is_an_identical_copy(copied: _Copied) -> None:
    at = copied.index_of(copied.ids[7])

    ended, report = copied.lineage([*copied.lines, copied.lines[at] | {"offset": 9_999}], copied.ids[7])

    assert ended.code == 0
    assert [delivery["offset"] for delivery in report["records"][0]["deliveries"]] == [
        copied.lines[at]["offset"],
        9_999,
    ]


def test_event_that_is_not_in_the_copy(copied: _Copied) -> None:
    at = copied.index_of(copied.ids[7])

    ended, _ = copied.lineage(copied.lines[:at] + copied.lines[at + 1 :], copied.ids[7])

    assert ended.code == 4
    assert "not in the trail that was read" in ended.err


def test_opened_event_is_recorded_first(copied: _Copied) -> None:
    ended, report = copied.lineage(copied.lines, copied.ids[7], "--open", "-c", str(copied.config), "--as", "auditor")
    reads = run("tail", "-c", str(copied.config), "--type", "telemetry.read", "--user", "auditor", "--json")

    assert ended.code == 0, ended.err
    assert report["records"][0]["event"]["payload"] == {"n": 7}
    (read,) = [json.loads(line) for line in reads.out.splitlines()]
    assert read["payload"]["filters"] == {"ids": [copied.ids[7]]}


def test_pipe_is_refused(copied: _Copied) -> None:
    pipe = copied.folder / "pipe"
    os.mkfifo(pipe)

    ended = run("lineage", copied.ids[7], "--file", str(pipe))

    assert ended.code == 2
    assert "name a regular file" in ended.err


def test_absent_file_is_named(copied: _Copied) -> None:
    ended = run("lineage", copied.ids[7], "--file", str(copied.folder / "absent"))

    assert ended.code == 2
    assert "absent cannot be read" in ended.err
