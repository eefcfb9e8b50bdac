"""Runs the examples of docs/integrations/logging.md and structlog.md, and counts the lines that they take."""

from __future__ import annotations

import json
import logging
import logging.config
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from telemetry.sync import Telemetry
from telemetry.testing import CapturedEvents
from telemetry.types import AuditConfig, TelemetryConfig
from tests.support.examples import added_lines, run_example

PAGES = Path(__file__).parents[2] / "docs" / "integrations"
CONFIG = TelemetryConfig(environment="test", audit_config=AuditConfig(kafka_brokers="memory:"))


def examples_of(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (PAGES / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)


def run(example: str, **names: Any) -> dict[str, Any]:
    exec(compile(example, "page.md", "exec", dont_inherit=True), names)  # noqa: S102
    return names


@pytest.fixture
def events(captured_events: CapturedEvents) -> Iterator[CapturedEvents]:
    with Telemetry(CONFIG):
        yield captured_events


@pytest.mark.parametrize("example", ["logging", "structlog"])
def test_four_lines_are_added(example: str) -> None:
    added = [line.strip() for line in added_lines(example)]
    shown = [line.strip() for line in examples_of(f"{example}.md")[0].splitlines()]

    assert len(added) == 4
    assert [line for line in added_lines(example) if len(line) > 100] == []
    assert [line for line in added if line not in shown] == []


def test_the_example_of_logging_logs(tmp_path: Path) -> None:
    done = run_example("logging/app.py", folder=tmp_path)

    assert done.output == "order 7 was paid\nrefund of order 7 was denied\n"
    assert "Traceback" not in done.errors
    assert [(each.event_type, each.user_id, each.entity_id, each.outcome) for each in done.events] == [
        ("log.message", "ada", "7", None),
        ("log.message", "eve", None, "denied"),
    ]


def test_the_example_of_structlog_logs(tmp_path: Path) -> None:
    done = run_example("structlog/app.py", folder=tmp_path)

    assert [json.loads(line)["event"] for line in done.output.splitlines()] == ["order paid", "refund denied"]
    assert "Traceback" not in done.errors
    assert [(each.event_type, each.user_id, each.payload) for each in done.events] == [
        ("order.paid", "ada", {"message": "order paid"}),
        ("order.refunded", "ada", {"message": "refund denied", "price": 10}),
    ]


def test_the_page_of_logging_is_a_configuration(events: CapturedEvents, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = examples_of("logging.md")
    names = run(first, logging=logging)
    with_options = run(second)["handlers"]["audit"] | {"telemetry": None}
    for handlers in (names["handlers"], {"audit": with_options}):
        logging.config.dictConfig(
            {"version": 1, "disable_existing_loggers": False, "handlers": handlers, "loggers": names["loggers"]}
        )
        names["main"]()
    logging.getLogger("shop").handlers.clear()

    assert events.one("log.message").payload == {"message": "paid"}


def test_the_page_of_structlog_is_a_configuration(events: CapturedEvents, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = examples_of("structlog.md")
    try:
        names = run(first, structlog=structlog)
        names["main"]()
        run(second, AuditProcessor=names["AuditProcessor"])
    finally:
        structlog.reset_defaults()

    events.one("order.paid", user_id="ada", entity="order", entity_id="7")
    assert '"event": "paid"' in capsys.readouterr().out
