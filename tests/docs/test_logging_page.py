from __future__ import annotations

import re
from pathlib import Path

import pytest

from telemetry.reader import KafkaSource, OpenedEvent, TrailReader
from telemetry.testing import EmbeddedKafka
from telemetry.types import AuditConfig, AuditEvent, TelemetryConfig

PAGE = (Path(__file__).parents[2] / "docs" / "logging.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def logged(config: AuditConfig) -> dict[str, list[AuditEvent]]:
    found: dict[str, list[AuditEvent]] = {}
    with KafkaSource(config) as source:
        for entry in TrailReader(source, provider=None):
            assert isinstance(entry, OpenedEvent)
            found.setdefault(entry.event.event_type, []).append(entry.event)
    return found


def test_examples_of_logging_run_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with EmbeddedKafka() as kafka:
        Path("telemetry.toml").write_text(
            f'[audit_config]\nkafka_brokers = "{kafka.bootstrap_servers}"\nsecurity_protocol = "PLAINTEXT"\n'
            "encryption_enabled = false\nfallback_enabled = false\n"
        )
        for example in EXAMPLES:
            exec(compile(example, "logging.md", "exec"), {})  # noqa: S102
        events = logged(TelemetryConfig.load("telemetry.toml").audit_config)

    assert len(EXAMPLES) == 3
    assert "Delivery(topic='audit-events'" in capsys.readouterr().out
    assert sorted(events) == [
        *("account_locked", "health_checked", "invoice_imported", "job_failed", "limit_raised", "mail_sent"),
        *("order_cancelled", "order_refunded", "page_viewed", "user_login"),
    ]
    assert events["health_checked"][0].actor_type == "anonymous"
    assert events["limit_raised"][0].changes["limit"].new == 500
    assert events["invoice_imported"][0].occurred_at == "2021-06-30T12:00:00Z"
    assert (events["account_locked"][0].actor_id, events["account_locked"][0].reason) == ("ada", "ticket 4711")
    assert events["order_cancelled"][0].outcome == "success"
    assert {events[name][0].correlation_id for name in ("order_cancelled", "mail_sent")} == {"request-1"}
    assert events["job_failed"][0].payload == {"error": "ValueError('no such order')"}
    assert events["job_failed"][0].adjusted == ("payload",)


def test_every_named_argument_of_the_table_exists() -> None:
    from telemetry.audit.accept.draft.fields import NAMED  # noqa: PLC0415 - the page says nothing else of it

    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| ", PAGE, re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}

    assert names - {"user_id"} <= NAMED
