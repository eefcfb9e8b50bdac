"""Declares the catalogue of a small shop, for tests."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import msgspec
from pydantic import BaseModel

from telemetry.catalog import AuditCatalog, Changes, Event, EventField, Personal, Secret
from telemetry.catalog.builtin import builtin

catalog = AuditCatalog("shop", version=3, include=[builtin])


class Account(msgspec.Struct, frozen=True):
    holder: Annotated[str, Personal(show="drop")]
    iban: Annotated[str, Personal(show="last4")]


@catalog.event(
    "order.refunded",
    entity="order",
    entity_id="order_id",
    severity="medium",
    delivery="durable",
    retention="7y",
    controls=["PCI 10.2.1.2", "SOC2 CC7.2"],
    ocsf=(6003, 3),
)
class OrderRefunded(Event):
    """An order was paid back.

    Every refund is logged.
    """

    order_id: int
    amount: Decimal
    account: Account | None = None
    token: Annotated[str | None, Secret()] = None
    why: Annotated[str | None, EventField("reason")] = None
    changes: Changes = {}  # noqa: RUF012 - msgspec copies it


@catalog.event("mail.sent", on_failure="count")
class MailSent(Event):
    to: Annotated[str, Personal(show="mask")]
    copies: list[Annotated[str, Personal(show="mask")]] = []  # noqa: RUF012


@catalog.event("profile.viewed")
class ProfileViewed(BaseModel):
    profile: int
    email: Annotated[str, Personal(show="last4")] = ""
    code: Annotated[str | None, Secret(given="refuse")] = None
