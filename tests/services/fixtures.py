"""The services as pytest fixtures; ``tests/conftest.py`` brings them to every test."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.services.azurite import Azurite, BlobService
from tests.services.kafka import ALL_GROUPS, CLUSTER, KafkaBroker
from tests.services.required import ServiceUnavailableError, unavailable

PRINCIPALS = ("payments", "alice")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """One real broker for all tests of this process. Never stop, kill or freeze it: ask for ``own_kafka``."""
    with ExitStack() as stack:
        try:
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


def new_topic(broker: KafkaBroker, *, partitions: int = 4) -> str:
    """Create a topic of a name of its own that ``payments`` and ``alice`` may write and read."""
    name = f"audit-{uuid.uuid4().hex}"
    broker.create_topic(name, partitions=partitions)
    for principal in PRINCIPALS:
        broker.add_acl(principal, name)
    return name


def grant_common(broker: KafkaBroker) -> None:
    """Let the principals of the tests read in groups and write idempotently."""
    for principal in PRINCIPALS:
        broker.add_acl(principal, ALL_GROUPS, ["READ"])
        broker.add_acl(principal, CLUSTER, ["IDEMPOTENT_WRITE"])


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlobService]:
    """Return how to reach an emulator of Azure Blob Storage, one for all tests of this process."""
    with ExitStack() as stack:
        try:
            emulator = stack.enter_context(Azurite(tmp_path_factory.mktemp("azurite")))
        except ServiceUnavailableError as exc:
            unavailable(str(exc))
        yield emulator.service
