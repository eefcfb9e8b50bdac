"""Makes up four weeks of a shop: what its services log, and what an auditor is going to look for.

The same number gives the same events, except for their times, which end shortly before the story is told.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

DAYS = 28
SERVICES = ("shop", "payments", "identity", "helpdesk")
SUSPECT_ADDRESS = "203.0.113.77"
DENIED_OF_BOB = 7
"""Sign-ins of bob that were denied in the last seven days."""
OF_SUSPECT = 15
"""Events from the address of eve, a person of the helpdesk."""
REQUEST = "req-000077"
"""Correlation id of the request that created order 77."""
_USERS = [f"user-{number:03d}" for number in range(1, 121)]
_AGENTS = ("Mozilla/5.0 (X11; Linux x86_64)", "ShopApp/4.2 (iOS)", "ShopApp/4.1 (Android)")


@dataclass(frozen=True)
class Call:
    """One call of ``log()``.

    Attributes:
        at: When it is made.
        service: Service that makes it.
        event_type: The event type.
        payload: The payload.
        user_id: The user.
        fields: Further arguments.
    """

    at: datetime
    service: str
    event_type: str
    payload: Any
    user_id: str
    fields: dict[str, Any] = field(default_factory=dict)


def story(events: int, *, end: datetime) -> list[Call]:
    """Return exactly so many calls in the order of their times, all of the last four weeks.

    Args:
        events: How many; a few hundred at least.
        end: When it ends.
    """
    start = end - timedelta(days=DAYS)
    calls = [*_order_77(end), *_attempts_of_bob(end), *_suspect(end), *_limit_raised(end)]
    chance = random.Random(77)  # noqa: S311 - a story, the same each time
    number = 1_000
    while len(calls) < events:
        number += 1
        calls += list(_visit(number, _some_time(chance, start), chance))[: events - len(calls)]
    return sorted(calls, key=lambda call: call.at)


def _some_time(chance: random.Random, start: datetime) -> datetime:
    """Return a time in the four weeks, mostly by day and rarely at a weekend."""
    while True:
        at = start + timedelta(seconds=chance.uniform(0, DAYS * 86_400 - 3_600))
        busy = (1.0 if 7 <= at.hour < 20 else 0.15) * (0.3 if at.weekday() > 4 else 1.0)
        if chance.random() < busy:
            return at


def _visit(number: int, at: datetime, chance: random.Random) -> Iterator[Call]:
    user = chance.choice(_USERS)
    address = f"10.{number % 7}.{number % 31}.{number % 250}"
    common = {"session_id": f"s-{number:06d}", "ip_address": address, "user_agent": chance.choice(_AGENTS)}
    request = common | {"correlation_id": f"req-{number:06d}", "entity": "order", "entity_id": str(number)}
    step = timedelta(seconds=chance.uniform(2, 40))
    login = {**common, "outcome": "denied" if chance.random() < 0.03 else "success", "action": "login"}
    yield Call(at, "identity", "user_login", {"method": chance.choice(["passkey", "password"])}, user, login)
    order = {
        "items": [{"sku": f"k-{number % 90}", "count": 1 + number % 3}],
        "total": {"amount": number % 400 + 5, "currency": "EUR"},
    }
    yield Call(at + step, "shop", "order_created", order, user, {**request, "action": "create", "outcome": "success"})
    paid = "failure" if chance.random() < 0.05 else "success"
    payment = {"amount": order["total"], "card": f"**** {number % 10_000:04d}"}
    yield Call(at + step * 2, "payments", "payment_authorized", payment, user, {**request, "outcome": paid})
    changes = {"status": {"old": "new", "new": "paid" if paid == "success" else "waiting"}}
    yield Call(at + step * 3, "shop", "order_changed", {}, user, {**request, "outcome": "success", "changes": changes})
    if chance.random() < 0.2:
        helped = request | {"actor_id": "carol", "outcome": "success", "reason": f"ticket {number}", "action": "read"}
        yield Call(at + step * 5, "helpdesk", "order_viewed", {"fields": ["items", "address"]}, user, helped)
    yield Call(at + step * 9, "identity", "user_logout", {}, user, {**common, "outcome": "success", "action": "logout"})


def _order_77(end: datetime) -> Iterator[Call]:
    at = end - timedelta(days=4, hours=2)
    about: dict[str, Any] = {"entity": "order", "entity_id": "77", "session_id": "s-000077", "ip_address": "10.0.0.7"}
    request = about | {"correlation_id": REQUEST}
    order = {
        "items": [{"sku": "k-7", "count": 2}],
        "total": {"amount": 149, "currency": "EUR"},
        "address": "1 High Street",
    }
    minute = timedelta(minutes=1)
    yield Call(
        at,
        "identity",
        "user_login",
        {"method": "passkey"},
        "ada",
        {k: v for k, v in request.items() if "entity" not in k} | {"outcome": "success"},
    )
    yield Call(at + minute, "shop", "order_created", order, "ada", request | {"action": "create", "outcome": "success"})
    yield Call(
        at + 2 * minute,
        "payments",
        "payment_authorized",
        {"amount": order["total"], "card": "**** 4242"},
        "ada",
        request | {"outcome": "success"},
    )
    paid = {"status": {"old": "new", "new": "paid"}}
    yield Call(at + 3 * minute, "shop", "order_changed", {}, "ada", request | {"outcome": "success", "changes": paid})
    moved = {"address": {"old": "1 High Street", "new": "9 Mill Lane"}, "note": {"old": None, "new": "by phone"}}
    eve = {
        "entity": "order",
        "entity_id": "77",
        "actor_id": "eve",
        "ip_address": SUSPECT_ADDRESS,
        "session_id": "s-eve-1",
    }
    yield Call(
        at + 60 * minute,
        "helpdesk",
        "order_changed",
        {"channel": "phone"},
        "ada",
        eve | {"changes": moved, "outcome": "success", "reason": "the customer called", "action": "change"},
    )
    yield Call(
        at + 70 * minute, "helpdesk", "order_deleted", {}, "ada", eve | {"outcome": "denied", "action": "delete"}
    )
    shipped = about | {"actor_id": "warehouse", "actor_type": "service", "outcome": "success", "action": "ship"}
    yield Call(at + timedelta(days=1), "shop", "order_shipped", {"parcel": "P-000077"}, "ada", shipped)


def _attempts_of_bob(end: datetime) -> Iterator[Call]:
    for number in range(DENIED_OF_BOB):
        at = end - timedelta(days=6) + timedelta(hours=20 * number)
        yield _denied(at, number)
    for number in range(5):
        yield _denied(end - timedelta(days=18, hours=number), 100 + number)


def _denied(at: datetime, number: int) -> Call:
    fields = {"outcome": "denied", "action": "login", "ip_address": "198.51.100.9", "session_id": f"s-bob-{number}"}
    return Call(at, "identity", "user_login", {"method": "password", "attempt": number + 1}, "bob", fields)


def _suspect(end: datetime) -> Iterator[Call]:
    for number in range(12):
        at = end - timedelta(days=5, minutes=7 * number)
        fields = {"ip_address": SUSPECT_ADDRESS, "actor_id": "eve", "entity": "customer", "entity_id": f"c-{number}"}
        yield Call(
            at,
            "helpdesk",
            "customer_viewed",
            {"fields": ["name"]},
            f"user-{number + 1:03d}",
            fields | {"outcome": "success", "session_id": "s-eve-1"},
        )


def _limit_raised(end: datetime) -> Iterator[Call]:
    changes = {"credit_limit": {"old": 500, "new": 50_000}, "approved_by": {"old": None, "new": "eve"}}
    fields = {
        "entity": "account",
        "entity_id": "acct-9",
        "actor_id": "eve",
        "ip_address": SUSPECT_ADDRESS,
        "changes": changes,
    }
    yield Call(
        end - timedelta(days=3),
        "payments",
        "limit_changed",
        {"product": "credit"},
        "ada",
        fields | {"outcome": "success", "action": "change"},
    )
