"""Reads the gauges of all pipelines of this process: an SDK takes one callback for a name, and a process may have several."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from opentelemetry.metrics import CallbackOptions, Observation


class Gauges(Protocol):
    """Values that can be read from a pipeline at any moment."""

    def gauges(self) -> dict[str, float]:
        """Return the values by metric name."""


Combine = Callable[[Sequence[float]], float]
"""Makes one value of those of several pipelines with one topic."""

_live: dict[int, tuple[int, str, weakref.ReferenceType[Gauges]]] = {}
"""Process, topic and gauges of each pipeline; by identity. Changed in single steps, read as a copy."""


def observe(gauges: Gauges, *, topic: str) -> None:
    """Have the gauges of a pipeline read from now on."""
    _live[id(gauges)] = os.getpid(), topic, weakref.ref(gauges)


def forget(gauges: Gauges) -> None:
    """Have the gauges of a pipeline no longer read: it has ended."""
    _live.pop(id(gauges), None)


def reader(name: str, combine: Combine) -> Callable[[CallbackOptions], Iterable[Observation]]:
    """Return the callback of one gauge.

    Args:
        name: Name of the metric.
        combine: Makes one value of several.
    """

    def read(_options: CallbackOptions) -> Iterable[Observation]:
        by_topic: dict[str, list[float]] = {}
        for key, (pid, topic, reference) in list(_live.items()):
            gauges = reference()
            if gauges is None:
                _live.pop(key, None)
            elif pid == os.getpid() and (value := gauges.gauges().get(name)) is not None:
                by_topic.setdefault(topic, []).append(value)
        return [Observation(combine(values), {"topic": topic}) for topic, values in by_topic.items()]

    return read
