"""Runs the example of docs/integrations/sqlalchemy.md, and counts the lines that it takes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from telemetry.sync import Telemetry
from telemetry.testing import CapturedEvents
from telemetry.types import AuditConfig, TelemetryConfig
from tests.support.examples import added_lines, run_example
from tests.support.sqlalchemy_shop import shown

PAGE = Path(__file__).parents[2] / "docs" / "integrations" / "sqlalchemy.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_three_lines_are_added() -> None:
    added = added_lines("sqlalchemy")

    assert len(added) == 3
    assert [line for line in added if len(line) > 100] == []
    assert [line.strip() for line in EXAMPLES[0].splitlines() if line] == [line.strip() for line in added]


def test_the_example_logs_what_it_did(tmp_path: Path) -> None:
    run = run_example("sqlalchemy/app.py", folder=tmp_path)

    assert run.output == ""
    assert run.errors.startswith("encryption is off")
    assert run.errors.count("\n") == 1
    assert shown(run.events) == [
        (
            *("customer.created", "1"),
            {"id": {"new": 1}, "name": {"new": "Ada"}, "password": {"new": "[scrubbed]"}},
        ),
        ("order.created", "1", {"id": {"new": 1}, "customer_id": {"new": 1}, "price": {"new": 10}}),
        ("order.created", "2", {"id": {"new": 2}, "customer_id": {"new": 1}, "price": {"new": 20}}),
        ("customer.updated", "1", {"name": {"old": "Ada", "new": "Ada Lovelace"}}),
        ("order.updated", "2", {"price": {"old": 20, "new": 21}}),
        ("order.deleted", "1", {"id": {"old": 1}, "customer_id": {"old": 1}, "price": {"old": 10}}),
        ("order.deleted", "2", {"id": {"old": 2}, "customer_id": {"old": 1}, "price": {"old": 21}}),
        (
            *("customer.deleted", "1"),
            {"id": {"old": 1}, "name": {"old": "Ada Lovelace"}, "password": {"old": "[scrubbed]"}},
        ),
    ]


def test_the_other_examples_run(captured_events: CapturedEvents) -> None:
    class Base(DeclarativeBase):
        pass

    sessions = sessionmaker(create_engine("sqlite://"))
    names: dict[str, Any] = {
        "Session": sessions,
        "Base": Base,
        "Mapped": Mapped,
        "mapped_column": mapped_column,
        "main": lambda: None,
    }
    with Telemetry(TelemetryConfig(environment="test", audit_config=AuditConfig(kafka_brokers="memory:"))):
        for example in EXAMPLES[:3]:
            exec(compile(example, "sqlalchemy.md", "exec", dont_inherit=True), names)  # noqa: S102
        add_customer(sessions, Base, names)
        names["audit"].remove()
        exec(compile(EXAMPLES[3], "sqlalchemy.md", "exec", dont_inherit=True), names)  # noqa: S102
        add_customer(sessions, Base, names)
        with sessions() as session:
            rows = session.scalars(select(Base.metadata.tables["telemetry_outbox"].c.data)).all()

    assert len(EXAMPLES) == 4
    assert len(rows) == 1
    assert shown(captured_events) == [
        (
            "client.created",
            "1",
            {"id": {"new": 1}, "iban": {"new": "[masked]"}, "password_hash": {"new": "[scrubbed]"}},
        ),
    ]


def add_customer(sessions: sessionmaker[Session], base: type[DeclarativeBase], names: dict[str, Any]) -> None:
    with sessions() as session:
        base.metadata.create_all(session.connection())
        session.add(names["Customer"](iban="DE1", search_text="de1", password_hash="x"))
        session.commit()
