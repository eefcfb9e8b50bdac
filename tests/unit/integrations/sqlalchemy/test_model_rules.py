from __future__ import annotations

import pytest
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from telemetry.exceptions import ConfigurationError
from telemetry.integrations.sqlalchemy import SessionAudit, audited_model
from telemetry.integrations.sqlalchemy.model_rules import ModelCatalogue, snake_case
from telemetry.testing.captured.captured_events import CapturedEvents
from tests.support.sqlalchemy_shop import Manager, Order, Person, Tag


def test_names_of_classes() -> None:
    assert [snake_case(name) for name in ("Order", "OrderLine", "HTTPRequest", "_Xy")] == [
        *("order", "order_line", "http_request", "xy"),
    ]


def test_subclass_inherits_masks_and_not_the_name() -> None:
    class Base(DeclarativeBase):
        pass

    @audited_model(entity="account", mask=["iban"])
    class Account(Base):
        __tablename__ = "accounts"
        id: Mapped[int] = mapped_column(primary_key=True)
        iban: Mapped[str]
        token: Mapped[str]

    @audited_model(mask=["limit"])
    class Gold(Account):
        limit: Mapped[int | None]

    catalogue = ModelCatalogue(None, ())
    account, gold = catalogue.rules_of(Account.__mapper__), catalogue.rules_of(Gold.__mapper__)

    assert account is not None
    assert gold is not None
    assert (account.entity, set(account.masked)) == ("account", {"iban"})
    assert (gold.entity, set(gold.masked)) == ("gold", {"iban", "limit"})


def test_models_and_skip(sessions: sessionmaker[Session], events: CapturedEvents) -> None:
    SessionAudit(sessions, models=[Person, Tag], skip=[Manager])
    with sessions.begin() as session:
        session.add_all([Person(name="Ada"), Manager(name="Eve", budget=1), Tag(name="red"), Order()])

    assert sorted(each.event_type for each in events) == ["person.created", "tag.created"]


def test_wrong_arguments_are_refused(sessions: sessionmaker[Session]) -> None:
    with pytest.raises(ConfigurationError):
        SessionAudit(sessions, models=["Order"])  # type: ignore[list-item]
    with pytest.raises(TypeError):
        SessionAudit(object())
