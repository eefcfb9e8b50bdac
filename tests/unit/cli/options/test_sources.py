from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from telemetry.cli.options.sources import Origin, sources_of
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.exceptions import ConfigurationError
from telemetry.reader import ReadRange
from telemetry.reader.sources.source import describe

NO_STORE = AuditConfig(kafka_brokers="127.0.0.1:1", encryption_enabled=False, fallback_enabled=False)


@pytest.mark.parametrize(
    ("origin", "file", "within", "field"),
    [
        (Origin.ALL, Path("copy.jsonl"), {}, "--from, --file"),
        (Origin.FALLBACK, None, {}, "storage_config"),
        (Origin.TOPIC, Path("copy.jsonl"), {"offset": 3}, "--offset"),
        (Origin.TOPIC, Path("copy.jsonl"), {"end_offset": 3}, "--end-offset"),
        (Origin.TOPIC, Path("copy.jsonl"), {"follow": True}, "--follow"),
    ],
)
def test_options_that_contradict_each_other(
    origin: Origin, file: Path | None, within: dict[str, Any], field: str
) -> None:
    with (
        pytest.raises(ConfigurationError) as caught,
        sources_of(TelemetryConfig(audit_config=NO_STORE), origin, file, ReadRange(**within), label="reading"),
    ):
        pass

    assert [problem.field for problem in caught.value.problems] == [field]


def test_watched_topic_offers_what_the_topic_does() -> None:
    # Looked up as ``isinstance`` does it since Python 3.12: what ``__getattr__`` finds does not count.
    with sources_of(TelemetryConfig(audit_config=NO_STORE), Origin.TOPIC, None, ReadRange(), label="reading") as (
        topic,
    ):
        offered = {
            name for name in ("await_done", "close", "describe", "done", "locate", "stop") if name in vars(topic)
        }

        assert offered == {"await_done", "close", "describe", "done", "locate", "stop"}
        assert describe(topic)["kind"] == "topic"


def test_watched_file_offers_no_more_than_a_file(tmp_path: Path) -> None:
    (tmp_path / "copy.jsonl").write_bytes(b"")
    with sources_of(
        TelemetryConfig(audit_config=NO_STORE), Origin.TOPIC, tmp_path / "copy.jsonl", ReadRange(), label="reading"
    ) as (file,):
        assert "locate" not in vars(file)
        assert describe(file)["kind"] == "file"
