"""Stops Kafka in mid-stream, and kills, stops and doubles the processes that replay: all arrives in order."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from telemetry.config import StorageConfig
from telemetry.storage import StorageProviderFactory
from telemetry.types import AuditConfig
from tests.services.fixtures import grant_common, new_topic
from tests.services.kafka import KafkaBroker
from tests.services.moto_s3 import MotoBuckets
from tests.services.required import ServiceUnavailableError, unavailable
from tests.support.leftovers import left_in
from tests.support.outage_processes import Topic, Worker, fields_for, logging_process, waiting
from tests.support.until import until

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]

_PATIENCE = 180.0


@pytest.fixture(params=["local_file", "aws_s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> StorageConfig:
    if request.param == "local_file":
        return StorageConfig(provider="local_file", base_path=tmp_path / "fallback")
    moto: MotoBuckets = request.getfixturevalue("moto_s3")
    return moto.config(prefix="audit")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """A broker of this file's own, which its tests stop and start again."""
    with ExitStack() as stack:
        try:
            own = stack.enter_context(KafkaBroker(tmp_path_factory.mktemp("kafka-away")))
        except ServiceUnavailableError as exc:
            unavailable(str(exc))
        grant_common(own)
        yield own


class _Moment:
    """Random moments; ``OUTAGE_SEED`` repeats those of an earlier run."""

    def __init__(self) -> None:
        seed = int(os.environ.get("OUTAGE_SEED", random.SystemRandom().randrange(1 << 30)))
        sys.stderr.write(f"OUTAGE_SEED={seed}\n")
        self._dice = random.Random(seed)  # noqa: S311 - moments of killing, no secret
        self._pause = threading.Event()

    def wait(self, longest: float) -> None:
        """Let a random time pass."""
        self._pause.wait(self._dice.uniform(0.0, longest))


def _some(worker: Worker, count: int) -> None:
    goal = len(worker.lines) + count
    until(
        lambda: len(worker.lines) >= goal or worker.process.poll() is not None,
        timeout=_PATIENCE,
        what=f"{count} more lines",
    )
    assert worker.process.poll() is None, worker.errors[-20:]


def _replay_begun(fields: dict[str, Any]) -> None:
    """Wait until a deletion shows that a replay is under way."""
    before = set(waiting(fields))
    assert before
    until(lambda: before - set(waiting(fields)), timeout=_PATIENCE, what="the first replayed object")


def test_process_killed_twice_during_its_replay(broker: KafkaBroker, tmp_path: Path) -> None:
    moment = _Moment()
    topic = new_topic(broker)
    storage = StorageConfig(provider="local_file", base_path=tmp_path / "fallback")
    fields = fields_for(broker, topic, storage, spool_path=tmp_path / "spool")
    slow = fields | {"replay_max_events_per_second": 400}
    durable: set[str] = set()

    with logging_process(slow) as first:
        _some(first, 300)
        broker.stop()
        until(lambda: len(waiting(fields)) >= 8, timeout=_PATIENCE, what="a backlog")
        _some(first, 1_000)
        broker.start()
        _replay_begun(fields)
        moment.wait(0.5)
        first.signal(signal.SIGKILL)
        first.wait()
        durable.update(first.lines)
    assert len(waiting(fields)) > 0, "it was killed when all was replayed"

    with logging_process(slow) as second:
        _replay_begun(fields)
        moment.wait(0.5)
        second.signal(signal.SIGKILL)
        second.wait()
        durable.update(second.lines)
    assert len(waiting(fields)) > 0, "it was killed when all was replayed"

    with logging_process(fields) as third:
        until(lambda: not waiting(fields), timeout=_PATIENCE, what="the end of the replay")
        _some(third, 300)
        third.signal(signal.SIGTERM)
        assert third.wait() == 0, third.errors[-20:]
        durable.update(third.lines)
    with Worker("replay", fields) as last:
        assert last.wait() == 0, last.errors[-20:]

    found = Topic(broker, topic)
    found.print_numbers(len(durable))
    assert durable <= found.ids
    found.require_order()
    assert found.replayed
    assert waiting(fields) == []
    assert left_in(tmp_path / "spool") == []


@pytest.mark.parametrize("storage", ["aws_s3"], indirect=True)
def test_replay_command_killed_twice(broker: KafkaBroker, storage: StorageConfig) -> None:
    moment = _Moment()
    topic = new_topic(broker)
    fields = fields_for(broker, topic, storage)
    durable = _stored_by_a_process(broker, fields)
    slow = fields | {"replay_max_events_per_second": 300}

    for _ in range(2):
        with Worker("replay", slow, lease=1.0) as worker:
            _some(worker, 1)
            moment.wait(1.0)
            worker.signal(signal.SIGKILL)
            worker.wait()
        assert waiting(fields)
        _until_unlocked(fields)
    with Worker("replay", fields, lease=30.0) as worker:
        assert worker.wait() == 0, worker.errors[-20:]

    found = Topic(broker, topic)
    found.print_numbers(len(durable))
    assert durable <= found.ids
    found.require_order()
    assert waiting(fields) == []


def _stored_by_a_process(broker: KafkaBroker, fields: dict[str, Any]) -> set[str]:
    """Let a process log in mid-stream of which Kafka goes away, and end before it is back; return its events."""
    with logging_process(fields) as logger:
        _some(logger, 200)
        broker.stop()
        until(lambda: len(waiting(fields)) >= 6, timeout=_PATIENCE, what="a backlog")
        _some(logger, 800)
        logger.signal(signal.SIGTERM)
        assert logger.wait() == 0, logger.errors[-20:]
        events = set(logger.lines)
    broker.start()
    return events


def _until_unlocked(fields: dict[str, Any]) -> None:
    """Wait until a dead holder's lease is over: no other process may replay before."""
    config = AuditConfig(**fields)
    assert config.storage_config is not None
    with StorageProviderFactory.create(config.storage_config) as store:

        def is_free() -> bool:
            with store.lock(f"replay-{config.kafka_topic}", owner="test", seconds=1.0) as lock:
                return lock.is_held

        until(is_free, timeout=_PATIENCE, what="the end of the lease")


def test_one_prefix_has_one_replay(broker: KafkaBroker, storage: StorageConfig) -> None:
    topic = new_topic(broker)
    # Patient: what is not acknowledged in time is sent again, and that is no sign of two that replay.
    fields = fields_for(broker, topic, storage, replay_max_events_per_second=1_000, kafka_timeout_ms=3_000)
    with ExitStack() as stack:
        loggers = [stack.enter_context(logging_process(fields, rate=300.0)) for _ in range(2)]
        for logger in loggers:
            _some(logger, 100)
        broker.stop()
        until(lambda: len(waiting(fields)) >= 10, timeout=_PATIENCE, what="a backlog of both")
        broker.start()
        until(lambda: not waiting(fields), timeout=_PATIENCE, what="the end of the replay")
        for logger in loggers:
            _some(logger, 100)
            logger.signal(signal.SIGTERM)
        assert [logger.wait() for logger in loggers] == [0, 0]
        durable = {line for logger in loggers for line in logger.lines}
    with Worker("replay", fields, lease=30.0) as last:
        assert last.wait() == 0, last.errors[-20:]

    found = Topic(broker, topic)
    found.print_numbers(len(durable))
    assert durable <= found.ids
    assert found.duplicates == 0
    found.require_order()


def test_stopped_holder_wakes_and_does_no_harm(broker: KafkaBroker, storage: StorageConfig) -> None:
    topic = new_topic(broker)
    fields = fields_for(broker, topic, storage)
    durable = _stored_by_a_process(broker, fields)
    slow = fields | {"replay_max_events_per_second": 200}

    with Worker("replay", slow, lease=3.0) as sleeper:
        _some(sleeper, 1)
        sleeper.signal(signal.SIGSTOP)
        if storage.provider == "local_file":
            # The system knows that the holder lives: nobody else may work.
            with Worker("replay", fields, lease=30.0) as other:
                assert other.wait() != 0
                assert any("another process replays" in line for line in other.errors)
            sleeper.signal(signal.SIGCONT)
            assert sleeper.wait() == 0, sleeper.errors[-20:]
            assert Topic(broker, topic).duplicates == 0
        else:
            _until_unlocked(fields)
            with Worker("replay", fields, lease=30.0) as heir:
                assert heir.wait() == 0, heir.errors[-20:]
            before = len(Topic(broker, topic).replayed)
            sleeper.signal(signal.SIGCONT)
            assert sleeper.wait() != 0
            assert any("lock" in line for line in sleeper.errors)
            # What its client had in its queue goes out; it begins nothing.
            assert len(Topic(broker, topic).replayed) - before <= 2_000

    found = Topic(broker, topic)
    found.print_numbers(len(durable))
    assert durable <= found.ids
    found.require_order()
    assert waiting(fields) == []
