"""Provides the services as pytest fixtures; ``tests/conftest.py`` brings them to every test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.services.azurite import Azurite, BlobService
from tests.services.broker_rights import grant_common, new_topic
from tests.services.kafka import KafkaBroker, SharedBroker
from tests.services.postgres import PostgresServer, SharedPostgres
from tests.services.required import ServiceUnavailableError, unavailable
from tests.services.sharing import shared_service

__all__ = ["azurite", "grant_common", "kafka", "new_topic", "own_kafka", "own_postgres", "postgres", "topic"]


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """One real broker for all tests of all workers; a test that stops, kills or freezes one asks for ``own_kafka``."""
    with ExitStack() as stack:
        try:
            shared = shared_service(request.config, "kafka")
            if shared is not None:
                yield KafkaBroker.attach(SharedBroker(**shared))
                return
            broker = stack.enter_context(KafkaBroker(tmp_path_factory.mktemp("kafka")))
        except ServiceUnavailableError as exc:
            unavailable(str(exc))
        grant_common(broker)
        yield broker


@pytest.fixture
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., KafkaBroker]]:
    """Return a function that starts a private broker; its keyword arguments are those of ``KafkaBroker``."""
    with ExitStack() as stack:

        def start(**arguments: object) -> KafkaBroker:
            try:
                broker = KafkaBroker(tmp_path_factory.mktemp("own-kafka"), **arguments)  # type: ignore[arg-type]
                stack.enter_context(broker)
            except ServiceUnavailableError as exc:
                unavailable(str(exc))
            grant_common(broker)
            return broker

        yield start


@pytest.fixture
def topic(kafka: KafkaBroker) -> str:
    """Return the name of a new topic with 4 partitions that ``payments`` and ``alice`` may write and read."""
    return new_topic(kafka)


@pytest.fixture(scope="session")
def azurite(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlobService]:
    """How to reach an emulator of Azure Blob Storage, one for all tests of all workers."""
    with ExitStack() as stack:
        try:
            shared = shared_service(request.config, "azurite")
            if shared is not None:
                yield BlobService(**shared)
                return
            emulator = stack.enter_context(Azurite(tmp_path_factory.mktemp("azurite")))
        except ServiceUnavailableError as exc:
            unavailable(str(exc))
        yield emulator.service


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """One PostgreSQL for all tests of all workers: each test creates a database of its own there."""
    with ExitStack() as stack:
        try:
            shared = shared_service(request.config, "postgres")
            if shared is not None:
                yield PostgresServer.attach(SharedPostgres(**shared))
                return
            server = stack.enter_context(PostgresServer())
        except ServiceUnavailableError as exc:
            unavailable(str(exc))
        yield server


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL that the test may stop, kill and start again."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(PostgresServer())
        except ServiceUnavailableError as exc:
            unavailable(str(exc))
        yield server
