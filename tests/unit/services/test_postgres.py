from __future__ import annotations

import psycopg

from tests.services.postgres import PostgresServer


def test_killed_server_keeps_its_rows(own_postgres: PostgresServer) -> None:
    url = own_postgres.new_database()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (id integer)")
        connection.execute("INSERT INTO kept VALUES (1)")

    own_postgres.process.kill()
    own_postgres.start()

    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT id FROM kept").fetchall() == [(1,)]


def test_databases_of_two_tests_are_separate(postgres: PostgresServer) -> None:
    first, second = postgres.new_database(), postgres.new_database()

    with psycopg.connect(first) as connection:
        connection.execute("CREATE TABLE apart (id integer)")
    with psycopg.connect(second) as connection:
        assert connection.execute("SELECT to_regclass('apart')").fetchall() == [(None,)]
