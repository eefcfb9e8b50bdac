"""Each service has a pipeline; none is kept, and the process's own name leads to its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from telemetry.audit.accept.event_pipeline import EventPipeline
from telemetry.audit.ledger import Ledger
from telemetry.audit.metrics.instruments import AuditMetrics
from telemetry.audit.receipt import ACCEPTED
from telemetry.audit.streams.service_pipelines import ServicePipelines
from telemetry.audit.streams.stream_registry import StreamRegistry
from telemetry.exceptions import BackpressureError, LifecycleError
from tests.support.gateway_site import GATEWAY
from tests.support.stream_bench import StreamBench


class Bench:
    """The pipelines of the services of a process whose own accepts nothing."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        parts = StreamBench(folder, opened)
        self.registry = StreamRegistry(parts.builder, max_streams=2)
        self.ledger = Ledger(topic="audit-events", metrics=AuditMetrics(topic="audit-events"), room=parts.room)
        self.whole = cast("EventPipeline", SimpleNamespace(pid=os.getpid(), default_level=ACCEPTED))
        self.pipelines = ServicePipelines(self.registry, ledger=self.ledger, own_name=GATEWAY)

    def of(self, name: str) -> EventPipeline:
        return self.pipelines.pipeline_of(name, self.whole)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ExitStack() as opened:
        yield Bench(tmp_path, opened)


def test_own_name_leads_to_the_whole(bench: Bench) -> None:
    assert bench.of(GATEWAY) is bench.whole
    assert bench.of(GATEWAY.upper()) is not bench.whole


def test_asking_for_a_pipeline_opens_nothing(bench: Bench) -> None:
    assert bench.of("a") is not bench.of("a")
    assert (bench.pipelines.open_streams(), bench.pipelines.health()) == (0, [])


def test_two_pipelines_of_a_service_share_its_stream(bench: Bench) -> None:
    places = [bench.of(name).offer("step", {}, "ada", {}) for name in ("a", "a", "b")]

    assert [place.sequence for place in places] == [0, 1, 0]
    assert places[0].producer == places[1].producer
    assert bench.pipelines.open_streams() == 2


def test_health_has_the_order_of_opening(bench: Bench) -> None:
    for name in ("b", "a", "b"):
        bench.of(name).offer("step", {}, "ada", {})

    assert [health.service_name for health in bench.pipelines.health()] == ["b", "a"]


def test_no_pipeline_without_room_for_a_stream(bench: Bench) -> None:
    for name in ("a", "b"):
        bench.of(name).offer("step", {}, "ada", {})

    with pytest.raises(BackpressureError, match="max_streams"):
        bench.of("c")
    assert bench.of("a").offer("step", {}, "ada", {}).sequence == 1
    assert bench.of(GATEWAY) is bench.whole


def test_refused_event_is_counted(bench: Bench) -> None:
    third = bench.of("c")
    for name in ("a", "b"):
        bench.of(name).offer("step", {}, "ada", {})

    with pytest.raises(BackpressureError):
        third.offer("step", {}, "ada", {})

    assert bench.ledger.counts.refused == 1


def test_no_pipeline_after_the_end(bench: Bench) -> None:
    bench.registry.close(LifecycleError("the pipeline is shut down"))

    with pytest.raises(LifecycleError):
        bench.of("a")
    assert bench.of(GATEWAY) is bench.whole
