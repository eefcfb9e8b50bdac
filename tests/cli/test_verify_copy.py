"""Verifies a sealed copy in a file as the topic itself: also its order, by the places that it names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from telemetry.encryption.signing_key import SigningKey
from telemetry.sync import Telemetry
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig
from tests.support.in_process import run

Lines = list[dict[str, Any]]


class _Copy:
    """The lines of a sealed copy, and the command that verifies them."""

    def __init__(self, lines: Lines, key: SigningKey, folder: Path) -> None:
        self.lines = lines
        self.folder = folder
        self._key = key

    def verify(self, lines: Lines, *options: str) -> tuple[int, dict[str, Any]]:
        file = self.folder / "evidence.jsonl"
        file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        ended = run("verify", "--file", str(file), "--public-key", self._key.public_key, "--json", *options)
        assert ended.out, ended.err
        report: dict[str, Any] = json.loads(ended.out)
        return ended.code, report

    def two_of_one_key(self) -> tuple[int, int]:
        """Return the indexes of two events of one Kafka key."""
        first = next(at for at, line in enumerate(self.lines) if line["key"].startswith("ada:"))
        return first, next(at for at, line in enumerate(self.lines) if at > first and line["key"].startswith("ada:"))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lines, SigningKey]:
    folder = tmp_path_factory.mktemp("trail")
    key = SigningKey.create(folder / "signing", "correct horse", name="audit")
    with EmbeddedKafka() as kafka:
        values: dict[str, Any] = {
            "kafka_brokers": kafka.bootstrap_servers,
            "security_protocol": "PLAINTEXT",
            "fallback_enabled": False,
            "encryption_config": {"provider": "local_key", "key_path": folder / "key", "passphrase": "correct horse"},
            "signing_config": {"key_path": folder / "signing", "passphrase": "correct horse", "every_events": 20},
        }
        with Telemetry(AuditConfig(**values)) as telemetry:
            for number in range(60):
                telemetry.audit.log("work", {"number": number}, ("ada", "bob", "carol")[number % 3])
        ended = run("export", "--sealed", "--brokers", kafka.bootstrap_servers, "--security-protocol", "PLAINTEXT")
        assert ended.code == 0, ended.err
    return [json.loads(line) for line in ended.out.splitlines()], key


@pytest.fixture
def copy(written: tuple[Lines, SigningKey], tmp_path: Path) -> _Copy:
    lines, key = written
    return _Copy(list(lines), key, tmp_path)


def test_copy_is_complete_without_kafka_or_key(copy: _Copy) -> None:
    code, report = copy.verify(copy.lines)

    assert (code, report["verdict"]) == (0, "complete")
    assert report["producers"][0]["proven"] == 60
    assert report["notes"] == []


def test_swapped_lines_are_reordered(copy: _Copy) -> None:
    first, second = copy.two_of_one_key()
    copy.lines[first], copy.lines[second] = copy.lines[second], copy.lines[first]

    code, report = copy.verify(copy.lines)

    assert (code, report["verdict"]) == (3, "reordered")


def test_swapped_records_are_reordered(copy: _Copy) -> None:
    first, second = copy.two_of_one_key()
    one, other = copy.lines[first], copy.lines[second]
    copy.lines[first], copy.lines[second] = one | {"value": other["value"]}, other | {"value": one["value"]}

    code, report = copy.verify(copy.lines)

    assert (code, report["verdict"]) == (3, "reordered")


def test_order_without_places_is_not_judged(copy: _Copy) -> None:
    first, second = copy.two_of_one_key()
    copy.lines[first], copy.lines[second] = copy.lines[second], copy.lines[first]
    bare: Lines = [{name: line[name] for name in ("key", "value", "headers") if name in line} for line in copy.lines]

    code, report = copy.verify(bare)

    assert (code, report["verdict"]) == (0, "complete")
    assert [note.split(":")[0] for note in report["notes"]] == ["order not judged"]
    assert str(len(bare)) in report["notes"][0]


def test_altered_record_is_named(copy: _Copy) -> None:
    first, _ = copy.two_of_one_key()
    line = copy.lines[first]
    copy.lines[first] = line | {"value": line["value"].replace('"time":"2', '"time":"1')}

    code, report = copy.verify(copy.lines)

    assert (code, report["verdict"]) == (3, "tampered")
    places = [finding["place"] for finding in report["producers"][0]["findings"]]
    assert f"{line['topic']}[{line['partition']}]@{line['offset']}" in places


def test_absent_record_is_missing(copy: _Copy) -> None:
    del copy.lines[copy.two_of_one_key()[0]]

    code, report = copy.verify(copy.lines)

    assert (code, report["verdict"]) == (4, "missing")


def test_copy_of_another_topic_is_found(copy: _Copy) -> None:
    code, _ = copy.verify([line | {"topic": "other"} for line in copy.lines])

    assert code != 0


@pytest.mark.parametrize("options", [("--state", "state"), ("--state", "state", "--continue")], ids=str)
def test_state_belongs_to_the_topic(copy: _Copy, options: tuple[str, ...]) -> None:
    file = copy.folder / "evidence.jsonl"
    file.touch()

    ended = run("verify", "--file", str(file), "--public-key", copy._key.public_key, *options)

    assert ended.code == 2
    assert "--state" in ended.err


def test_exchanged_offsets_are_noted(copy: _Copy) -> None:
    first, second = copy.two_of_one_key()
    one, other = copy.lines[first], copy.lines[second]
    copy.lines[first], copy.lines[second] = one | {"offset": other["offset"]}, other | {"offset": one["offset"]}

    _, report = copy.verify(copy.lines)

    assert any("do not follow the offsets that they name" in note for note in report["notes"])


def test_copy_beside_itself_is_noted(copy: _Copy) -> None:
    code, report = copy.verify(copy.lines + copy.lines)

    assert (code, report["duplicates"]) == (0, 60)
    assert any(note.startswith(f"{len(copy.lines)} lines do not follow") for note in report["notes"])
