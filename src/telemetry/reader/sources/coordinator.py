"""Asks the coordinator of a consumer group, which may be moving from one broker to another."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException

from telemetry.system.deadline import Deadline

_MOVING = frozenset(
    (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE)
)
_PAUSE_SECONDS = 0.2

Answer = TypeVar("Answer")


def asked_again(ask: Callable[[], Answer], *, seconds: float) -> Answer:
    """Return the coordinator's answer; a broker that is not, or not yet, the coordinator is asked again.

    Args:
        ask: Asks once.
        seconds: How long to ask again.

    Raises:
        KafkaException: Kafka refuses, cannot be reached, or has no coordinator for so long.
    """
    deadline = Deadline(seconds)
    while True:
        try:
            return ask()
        except KafkaException as exc:
            if exc.args[0].code() not in _MOVING or deadline.is_over:
                raise
            time.sleep(_PAUSE_SECONDS)
