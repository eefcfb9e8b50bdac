"""What docs/otlp.md says of the mapping is what the gateway does."""

from __future__ import annotations

import re
from pathlib import Path

import opentelemetry._logs as api
import pytest
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from telemetry.gateway.otlp.log_record import MAX_ORIGIN_BYTES, MAX_RECORD_BYTES, MAX_VALUES, LogRecord
from telemetry.gateway.otlp.mapping import CONVENTIONS, OWN_PREFIX, SHAPES, TEXTS, event_name, mapped
from telemetry.gateway.otlp.protobuf_logs import protobuf_records

PAGE = (Path(__file__).parents[2] / "docs" / "otlp.md").read_text("utf-8")


def test_example_becomes_the_event_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    monkeypatch.setattr(api, "get_logger", provider.get_logger)

    exec(compile(example, "otlp.md", "exec"), {})  # noqa: S102
    sent = encode_logs(exporter.get_finished_logs()).SerializeToString()
    (record,) = protobuf_records(sent, max_records=1, max_depth=8)

    assert isinstance(record, LogRecord)
    event = mapped(record, event_name(record))
    assert (event.event_type, event.user_id, event.payload) == ("order.refunded", "ada", {"amount": 12.5})
    assert (event.fields["entity"], event.fields["entity_id"], event.fields["source"]) == ("order", "7", "shop.orders")
    assert event.fields["occurred_at"].endswith("Z")


def test_table_names_every_attribute_and_no_other() -> None:
    table = PAGE.partition("## What becomes what")[2].partition("\n## ")[0]
    cells = " ".join(row.split("|")[1] for row in table.splitlines() if row.startswith("| "))
    own = {OWN_PREFIX + argument for argument in (*TEXTS, *SHAPES)}

    assert set(re.findall(r"`([a-z_]+\.[a-z_.]+)`", cells)) == own | {
        name for names in CONVENTIONS.values() for name in names
    }


def test_bounds_are_those_of_the_code() -> None:
    bounds = PAGE.partition("## Bounds")[2]

    assert f"a record {MAX_RECORD_BYTES >> 10} KiB and {MAX_VALUES:,} values" in " ".join(bounds.split())
    assert f"resource and scope {MAX_ORIGIN_BYTES >> 10} KiB each" in " ".join(bounds.split())
