"""Scrapes the metrics of pipelines in this process over HTTP, as a Prometheus server does."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, start_http_server
from prometheus_client.parser import text_string_to_metric_families

Series = dict[str, float]
"""What Prometheus writes for a series, such as ``audit_queue_events{job="shop"}``, and its value."""

SCRAPED = {"instance": "shop-1", "job": "shop"}
"""The labels that Prometheus adds to what it scrapes."""


class Exporter:
    """The exporter of OpenTelemetry on a port.

    Args:
        port: Where it listens on 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self._port = port

    def scrape(self) -> Series:
        """Return every series of the library, with the labels of a scrape."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=60) as answer:
            text = answer.read().decode()
        return series_of(text)

    def value(self, name: str) -> float:
        """Return the sum of all series of a name."""
        return sum(value for series, value in self.scrape().items() if series.partition("{")[0] == name)


def series_of(text: str) -> Series:
    """Return the series of the library in an answer of an exporter."""
    return {
        written(sample.name, {**sample.labels, **SCRAPED}): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("audit_")
    }


def written(name: str, labels: dict[str, str]) -> str:
    """Return a series as Prometheus writes it."""
    inner = ", ".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{inner}}}"


@contextmanager
def exporting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exporter]:
    """Export what pipelines that are created now report."""
    provider = MeterProvider(metric_readers=[PrometheusMetricReader()])
    monkeypatch.setattr(metrics, "get_meter", provider.get_meter)
    server, thread = start_http_server(0, addr="127.0.0.1")
    try:
        yield Exporter(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)
        provider.shutdown()
        assert not [name for name in REGISTRY._names_to_collectors if name.startswith("audit")]
