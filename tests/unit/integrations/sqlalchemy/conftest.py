from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, StaticPool, create_engine
from sqlalchemy.orm import Session, sessionmaker

from telemetry.integrations.sqlalchemy import SessionAudit
from telemetry.sync import Telemetry
from telemetry.testing.captured.captured_events import CapturedEvents
from telemetry.types import AuditConfig, TelemetryConfig
from tests.support.sqlalchemy_shop import Base


@pytest.fixture
def events(captured_events: CapturedEvents) -> Iterator[CapturedEvents]:
    with Telemetry(TelemetryConfig(environment="test", audit_config=AuditConfig(kafka_brokers="memory:"))):
        yield captured_events


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    return sessionmaker(engine)


@pytest.fixture
def audit(sessions: sessionmaker[Session], events: CapturedEvents) -> Iterator[SessionAudit]:
    audit = SessionAudit(sessions)
    yield audit
    assert audit.failures == 0


@pytest.fixture
def session(sessions: sessionmaker[Session], audit: SessionAudit) -> Iterator[Session]:
    with sessions() as session:
        yield session
