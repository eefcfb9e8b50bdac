"""Defines the mapped classes of a small shop, with what makes auditing hard: keys, inheritance, collections, secrets."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import JSON, Column, Engine, ForeignKey, LargeBinary, String, Table, event, func, select
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, deferred, mapped_column, relationship

from telemetry.integrations.sqlalchemy import audited_model
from telemetry.types import AuditEvent


class Base(DeclarativeBase):
    """All tables of the shop."""

    type_annotation_map = {dict[str, Any]: JSON}  # noqa: RUF012 - read once by SQLAlchemy


class Status(enum.Enum):
    """State of an order."""

    OPEN = "o"
    PAID = "p"


class Untellable:
    """A value whose text cannot be had."""

    def __str__(self) -> str:
        message = "no text"
        raise RuntimeError(message)

    __repr__ = __str__


order_tags = Table(
    "order_tags",
    Base.metadata,
    Column("order_id", ForeignKey("orders.id"), primary_key=True),
    Column("tag_id", ForeignKey("tags.id"), primary_key=True),
)


@audited_model(mask=["iban"], exclude=["search"])
class Customer(Base):
    """A customer; its bank account is masked."""

    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    iban: Mapped[str | None]
    password: Mapped[str | None]
    search: Mapped[str | None]
    orders: Mapped[list[Order]] = relationship(back_populates="customer", cascade="all, delete-orphan")


class Order(Base):
    """An order with server defaults, JSON, a picture, a large text that is deferred, and computed attributes."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey("customers.id"))
    total: Mapped[int] = mapped_column(default=0)
    status: Mapped[Status] = mapped_column(default=Status.OPEN)
    details: Mapped[dict[str, Any] | None]
    picture: Mapped[bytes | None] = mapped_column(LargeBinary)
    note: Mapped[str | None] = deferred(mapped_column(String))
    region: Mapped[str] = mapped_column(server_default="north")
    customer: Mapped[Customer | None] = relationship(back_populates="orders")
    tags: Mapped[list[Tag]] = relationship(secondary=order_tags, back_populates="orders")
    lines: Mapped[list[OrderLine]] = relationship(cascade="all, delete-orphan")
    double: Mapped[int] = column_property(select(func.length("ab")).scalar_subquery())

    @hybrid_property
    def is_large(self) -> bool:
        """Whether it is worth a call."""
        return self.total > 100


class OrderLine(Base):
    """A line of an order, with a key of two columns."""

    __tablename__ = "order_lines"
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    product: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[int]


class Tag(Base):
    """A tag of orders."""

    __tablename__ = "tags"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    orders: Mapped[list[Order]] = relationship(secondary=order_tags, back_populates="tags")


class Person(Base):
    """The root of a joined and of a single-table hierarchy."""

    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    name: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}  # noqa: RUF012 - as above


class Manager(Person):
    """Has a table of its own."""

    __tablename__ = "managers"
    id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    budget: Mapped[int]
    __mapper_args__ = {"polymorphic_identity": "manager"}  # noqa: RUF012 - as above


class Clerk(Person):
    """Shares the table of its parent."""

    desk: Mapped[str | None]
    __mapper_args__ = {"polymorphic_identity": "clerk"}  # noqa: RUF012 - as above


class Node(Base):
    """Refers to another row of its table, which is written after both exist."""

    __tablename__ = "nodes"
    id: Mapped[int] = mapped_column(primary_key=True)
    best_id: Mapped[int | None] = mapped_column(ForeignKey("nodes.id"))
    best: Mapped[Node | None] = relationship(remote_side="Node.id", post_update=True, foreign_keys=[best_id])


def statements_of(engine: Engine) -> list[str]:
    """Collect every statement that an engine sends from now on."""
    sent: list[str] = []

    def collect(*arguments: Any) -> None:
        sent.append(arguments[2])

    event.listen(engine, "before_cursor_execute", collect)
    return sent


def changes_of(event: AuditEvent) -> Any:
    """Return what changed, as JSON."""
    return msgspec.to_builtins(event.changes)


def shown(events: Iterable[AuditEvent]) -> list[tuple[str, str | None, Any]]:
    """Return type, id and changes of events."""
    return [(event.event_type, event.entity_id, changes_of(event)) for event in events]
