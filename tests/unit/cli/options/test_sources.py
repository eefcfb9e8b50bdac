from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from telemetry.cli.options.sources import Origin, sources_of
from telemetry.config import AuditConfig, TelemetryConfig
from telemetry.exceptions import ConfigurationError
from telemetry.reader import ReadRange

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
