"""Writes orders and their events into a database, relays them in a thread, and kills itself between two statements.

Usage: outbox_worker.py URL BROKERS FIRST_NUMBER TRANSACTIONS PLACE, where PLACE is a number, or "deletion".
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import psycopg

from telemetry.outbox import Backlog, HeldRow, Outbox, OutboxDatabase, OutboxRelay, open_database
from telemetry.outbox.rows import WaitingRow
from telemetry.sync import Telemetry
from telemetry.types import AuditConfig, TelemetryConfig


class Switch:
    """Kills the process at one of its steps, wherever the other threads are then.

    Args:
        place: Number of the step, or its name; the process lives on if it has none such.
    """

    def __init__(self, place: str) -> None:
        self._place = place
        self._passed = 0
        self._lock = threading.Lock()

    def step(self, name: str = "") -> None:
        """Pass a place between two statements."""
        with self._lock:
            self._passed += 1
            if self._place in {str(self._passed), name}:
                os.kill(os.getpid(), signal.SIGKILL)


class KillingDatabase(OutboxDatabase):
    """The relay's table, with a place to be killed before and after each statement.

    Args:
        inner: The real one.
        switch: Where it is killed.
    """

    def __init__(self, inner: OutboxDatabase, switch: Switch) -> None:
        self._inner = inner
        self._switch = switch

    def connect(self) -> None:
        self._inner.connect()

    def acquire(self) -> bool:
        return self._inner.acquire()

    def read(self, limit: int) -> list[WaitingRow]:
        found = self._inner.read(limit)
        if found:
            self._switch.step()
        return found

    def delete(self, ids: Sequence[int]) -> None:
        self._switch.step("deletion")
        self._inner.delete(ids)
        self._switch.step()

    def hold(self, reasons: Mapping[int, str]) -> None:
        self._inner.hold(reasons)

    def count_failures(self, ids: Sequence[int]) -> None:
        self._inner.count_failures(ids)

    def backlog(self) -> Backlog:
        return self._inner.backlog()

    def held(self, limit: int) -> list[HeldRow]:
        return self._inner.held(limit)

    def release_held(self) -> int:
        return self._inner.release_held()

    def close(self) -> None:
        self._inner.close()

    def abandon(self) -> None:
        self._inner.abandon()


class Shop:
    """Takes orders, each in the same transaction as its event; some are rolled back, in whole or in part.

    Args:
        connection: The connection.
        outbox: Logs.
        switch: Where the process is killed.
    """

    def __init__(self, connection: Any, outbox: Outbox, switch: Switch) -> None:
        self._connection = connection
        self._outbox = outbox
        self._switch = switch

    def take_orders(self, first: int) -> None:
        """Take three orders in one transaction: the second is rolled back, and every third time all of them."""
        self._order(first)
        self._execute("SAVEPOINT second")
        self._order(first + 1)
        self._execute("ROLLBACK TO SAVEPOINT second")
        self._order(first + 2)
        if first % 9 == 0:
            self._connection.rollback()
        else:
            self._connection.commit()
        self._switch.step()

    def _order(self, number: int) -> None:
        self._execute(f"INSERT INTO orders (number) VALUES ({number})")  # noqa: S608
        self._outbox.log(self._connection, "order.taken", {"n": number}, f"user-{number % 4}")
        self._switch.step()

    def _execute(self, statement: str) -> None:
        self._connection.execute(statement)
        self._switch.step()


def main() -> None:
    """Run until everything is relayed, or until the switch kills."""
    url, brokers, first, transactions = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    switch = Switch(sys.argv[5])
    audit = AuditConfig(
        kafka_brokers=brokers,
        security_protocol="PLAINTEXT",
        encryption_enabled=False,
        fallback_enabled=False,
        batch_timeout_ms=1,
    )
    is_sqlite = url.startswith("sqlite")
    connected = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60) if is_sqlite else psycopg.connect(url)
    with Telemetry(TelemetryConfig(service_name="shop", audit_config=audit)) as telemetry, closing(connected) as own:
        shop = Shop(own, Outbox(telemetry), switch)
        database = KillingDatabase(open_database(url), switch)
        with OutboxRelay(telemetry, database, poll_seconds=0.01) as relay:
            for transaction in range(transactions):
                shop.take_orders(first + 3 * transaction)
            while relay.is_alive and own.execute("SELECT count(*) FROM telemetry_outbox").fetchone() != (0,):
                own.rollback()
                time.sleep(0.01)


main()
