from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from telemetry.exceptions import ConfigurationError, OutboxError, OutboxTableError
from telemetry.outbox import OutboxDatabase, create_table_sql, database, open_database, postgres, sqlite
from tests.services.postgres import PostgresServer
from tests.support.outbox_tables import OutboxSite, insert, row
from tests.support.until import until


@pytest.fixture(params=["postgresql", "sqlite"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> OutboxSite:
    if request.param == "sqlite":
        return OutboxSite.in_sqlite(tmp_path)
    return OutboxSite.in_postgres(request.getfixturevalue("postgres"))


@pytest.fixture
def pg_site(postgres: PostgresServer) -> OutboxSite:
    return OutboxSite.in_postgres(postgres)


@pytest.fixture
def leader(site: OutboxSite) -> Iterator[OutboxDatabase]:
    with site.open() as found:
        assert found.acquire()
        yield found


def test_rows_come_in_order_of_ids(site: OutboxSite, leader: OutboxDatabase) -> None:
    site.insert(row(3), row(1), row(2))

    found = leader.read(2)

    assert [one.event_id for one in found] == [row(3).event_id, row(1).event_id]
    assert [one.data for one in found] == [row(3).data, row(1).data]


def test_deleted_rows_do_not_come_back(site: OutboxSite, leader: OutboxDatabase) -> None:
    site.insert(row(1), row(2))
    first, second = leader.read(10)

    leader.delete([first.id])

    assert leader.read(10) == [second]


def test_held_row_lets_others_pass(site: OutboxSite, leader: OutboxDatabase) -> None:
    site.insert(row(1), row(2))
    first, second = leader.read(10)

    leader.hold({first.id: "unreadable" * 100})

    assert leader.read(10) == [second]
    (held,) = leader.held(10)
    assert (held.id, held.event_id, held.reason) == (first.id, row(1).event_id, ("unreadable" * 20)[:200])


def test_released_row_is_read_again(site: OutboxSite, leader: OutboxDatabase) -> None:
    site.insert(row(1))
    (first,) = leader.read(10)
    leader.hold({first.id: "unreadable"})

    assert leader.release_held() == 1
    assert leader.read(10) == [first]


def test_failed_deliveries_are_counted(site: OutboxSite, leader: OutboxDatabase) -> None:
    site.insert(row(1), row(2))
    first, second = leader.read(10)

    leader.count_failures([second.id])

    assert [one.attempts for one in leader.read(10)] == [0, 1]
    assert first.attempts == 0


def test_backlog_counts_waiting_and_held(site: OutboxSite, leader: OutboxDatabase) -> None:
    assert leader.backlog() == (0, 0, 0.0)
    site.insert(row(1), row(2), row(3))
    leader.hold({leader.read(1)[0].id: "unreadable"})

    found = leader.backlog()

    assert (found.waiting, found.held) == (2, 1)
    assert found.oldest_age_seconds > 0


def test_batch_ends_after_its_size(site: OutboxSite, leader: OutboxDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (postgres, sqlite):
        monkeypatch.setattr(module, "MAX_BATCH_BYTES", 150)
    site.insert(*(row(number, size=100) for number in range(5)))

    assert len(leader.read(10)) == 2


def test_row_larger_than_any_is_not_loaded(
    site: OutboxSite, leader: OutboxDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (postgres, sqlite):
        monkeypatch.setattr(module, "MAX_ROW_BYTES", 50)
    site.insert(row(1, size=100), row(2))

    assert [one.data is None for one in leader.read(10)] == [True, False]


def test_second_relay_is_no_leader(site: OutboxSite, leader: OutboxDatabase) -> None:
    with site.open() as second:
        assert not second.acquire()
        assert not second.acquire()
        with pytest.raises(OutboxError, match="not the leader"):
            second.read(1)


def test_closed_leader_is_followed(site: OutboxSite, leader: OutboxDatabase) -> None:
    with site.open() as second:
        assert not second.acquire()

        leader.close()

        until(second.acquire, what="the second relay becoming the leader")


def test_absent_table_names_the_remedy(tmp_path: Path, postgres: PostgresServer) -> None:
    (tmp_path / "empty.db").touch()
    for url in (postgres.new_database(), f"sqlite:///{tmp_path}/empty.db"):
        with open_database(url) as found, pytest.raises(OutboxTableError, match="CREATE TABLE IF NOT EXISTS"):
            found.acquire()


def test_table_with_other_columns_is_refused(site: OutboxSite) -> None:
    with site.connection() as connection:
        connection.execute("ALTER TABLE telemetry_outbox DROP COLUMN held")

    with site.open() as found, pytest.raises(OutboxTableError, match="other columns"):
        found.acquire()


def test_absent_file_is_not_created(tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path}/typo.db") as found, pytest.raises(OutboxError):
        found.acquire()

    assert not (tmp_path / "typo.db").exists()


def test_locked_file_is_an_error_and_recovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.05)
    site = OutboxSite.in_sqlite(tmp_path)
    site.insert(row(1))
    with site.open() as found, closing(site.connect()) as writer:
        assert found.acquire()
        (first,) = found.read(1)
        writer.execute("BEGIN IMMEDIATE")

        with pytest.raises(OutboxError, match="SQLITE_BUSY"):
            found.delete([first.id])

        writer.rollback()
        assert found.acquire()
        found.delete([first.id])
    assert site.ids() == []


def test_deleted_lock_file_ends_the_lead(tmp_path: Path) -> None:
    site = OutboxSite.in_sqlite(tmp_path)
    with site.open() as found:
        assert found.acquire()
        (tmp_path / "shop.db-telemetry_outbox.relay").unlink()

        with pytest.raises(OutboxError, match="not the leader"):
            found.read(1)


def test_value_of_another_type_is_not_bytes(tmp_path: Path) -> None:
    site = OutboxSite.in_sqlite(tmp_path)
    with site.connection() as connection:
        connection.execute(
            "INSERT INTO telemetry_outbox (event_id, created_ms, data) VALUES ('a', 1, 7), ('b', 1, 'text')"
        )

    with site.open() as found:
        assert found.acquire()
        assert [one.data for one in found.read(10)] == [None, b"text"]


def test_later_commit_of_lower_id_is_read(pg_site: OutboxSite) -> None:
    with pg_site.open() as found, closing(pg_site.connect()) as early, closing(pg_site.connect()) as late:
        assert found.acquire()
        insert(early, row(1))
        insert(late, row(2))
        late.commit()
        (second,) = found.read(10)
        found.delete([second.id])

        early.commit()

        (first,) = found.read(10)
    assert (first.event_id, second.event_id) == (row(1).event_id, row(2).event_id)
    assert first.id < second.id


def test_lost_session_loses_the_lead(pg_site: OutboxSite) -> None:
    pg_site.insert(row(1))
    with pg_site.open() as first, pg_site.open() as second:
        assert first.acquire()
        pg_site.end_session_of_leader()
        until(second.acquire, what="the second relay becoming the leader")

        with pytest.raises(OutboxError):
            first.delete([1])

        assert not first.acquire()
        assert len(second.read(1)) == 1


def test_tables_have_a_leader_each(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SCHEMA audit")
        for table in ("telemetry_outbox", "audit.telemetry_outbox"):
            connection.execute(create_table_sql("postgresql", table=table).encode())

    with open_database(url) as first, open_database(url, table="audit.telemetry_outbox") as second:
        assert first.acquire()
        until(second.acquire, what="the second relay becoming the leader")


def test_pooler_that_shares_sessions_is_refused(pg_site: OutboxSite) -> None:
    pg_site.insert(row(1))
    with pg_site.open() as found:
        assert found.acquire()
        vars(found)["_leading_pid"] = 1  # as if the lock had been taken through another session

        with pytest.raises(OutboxTableError, match="session mode"):
            found.read(1)


def test_user_without_rights_is_told_which(pg_site: OutboxSite) -> None:
    stranger = f"stranger_of_{pg_site.url.rpartition('/')[2]}"
    with pg_site.connection() as connection:
        connection.execute(f"CREATE ROLE {stranger} LOGIN")

    with (
        open_database(pg_site.url.replace("postgres@", f"{stranger}@")) as found,
        pytest.raises(OutboxTableError, match="SELECT, UPDATE and DELETE"),
    ):
        found.acquire()


def test_absent_server_is_named_without_password() -> None:
    with (
        open_database("postgresql://relay:hunter2@127.0.0.1:9/shop") as found,
        pytest.raises(OutboxError, match=r"127\.0\.0\.1") as caught,
    ):
        found.acquire()

    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize("url", ["mysql://root:hunter2@db/shop", "hunter2", "sqlite://", "postgresql://h?hunter2"])
def test_wrong_url_is_refused_unseen(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_database(url)

    assert "hunter2" not in str(caught.value)


def test_name_of_table_cannot_carry_sql() -> None:
    with pytest.raises(ConfigurationError, match="name of a table"):
        open_database("sqlite:///shop.db", table='outbox"; DROP TABLE users; --')


def test_largest_event_fits_a_row() -> None:
    largest = 64 << 20

    assert 2 * largest + (64 << 10) <= database.MAX_ROW_BYTES
