"""What recording a request costs: CPU of a FastAPI application without a server, bare and with three kinds of middleware.

``make bench-web`` prints the table of docs/performance.md. Each measurement is a process of its own; the contenders take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from fastapi import FastAPI

KINDS = ("async def", "def")
_WARM_UP = 300
_SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.4"},
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/orders/7/refund",
    "raw_path": b"/orders/7/refund",
    "query_string": b"",
    "root_path": "",
    # What a browser behind a proxy sends.
    "headers": [
        (b"host", b"shop.example.com"),
        (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        (b"accept", b"application/json"),
        (b"accept-language", b"en-GB,en;q=0.7"),
        (b"accept-encoding", b"gzip, deflate, br"),
        (b"content-type", b"application/json"),
        (b"content-length", b"2"),
        (b"cookie", b"session=3f1c9d8e7b6a5f4e3d2c1b0a"),
        (b"x-request-id", b"01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        (b"x-forwarded-for", b"203.0.113.9"),
    ],
    "client": ("10.0.0.1", 4711),
    "server": ("127.0.0.1", 8000),
}


def bare(_app: FastAPI) -> Callable[[], object]:
    """The application alone."""
    return lambda: None


def audit(app: FastAPI) -> Callable[[], object]:
    """This library; its events stay in memory."""
    from telemetry.types import AuditConfig, TelemetryConfig  # noqa: PLC0415 - each contender loads only what it needs

    return _audited(app, TelemetryConfig(environment="bench", audit_config=AuditConfig(kafka_brokers="memory:")))


def audit_sealed(app: FastAPI) -> Callable[[], object]:
    """This library as in production: events sealed with AES-256-GCM and sent to a Kafka that another process embeds."""
    import tempfile  # noqa: PLC0415
    from pathlib import Path  # noqa: PLC0415

    from bench.setup import PASSPHRASE  # noqa: PLC0415
    from telemetry.encryption.providers import local_key  # noqa: PLC0415
    from telemetry.types import AuditConfig, EncryptionConfig, TelemetryConfig  # noqa: PLC0415

    folder = Path(tempfile.mkdtemp(prefix="telemetry-bench-"))
    local_key.create(folder / "key.json", PASSPHRASE)
    key = EncryptionConfig(provider="local_key", key_path=folder / "key.json", passphrase=PASSPHRASE)
    config = AuditConfig(
        kafka_brokers=sys.argv[4], security_protocol="PLAINTEXT", fallback_enabled=False, encryption_config=key
    )
    return _audited(app, TelemetryConfig(environment="bench", audit_config=config))


def _audited(app: FastAPI, config: Any) -> Callable[[], object]:
    from telemetry.integrations.fastapi import AuditMiddleware  # noqa: PLC0415
    from telemetry.sync import Telemetry  # noqa: PLC0415

    telemetry = Telemetry(config)
    app.add_middleware(AuditMiddleware, telemetry=telemetry, trusted_proxies=["10.0.0.0/8"])
    telemetry.start()

    def check() -> None:
        logged = telemetry.audit.get_audit_stats().logged
        telemetry.shutdown()
        print(logged, "events", file=sys.stderr)

    return check


def sentry(_app: FastAPI) -> Callable[[], object]:
    """Sentry's integration with one transaction a request, which its transport drops."""
    import sentry_sdk  # noqa: PLC0415
    from sentry_sdk.transport import Transport  # noqa: PLC0415

    class Dropping(Transport):
        count = 0

        def capture_envelope(self, envelope: Any) -> None:
            del envelope
            self.count += 1

    transport = Dropping()
    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=transport, traces_sample_rate=1.0)
    return lambda: print(transport.count, "envelopes", file=sys.stderr)


def opentelemetry(app: FastAPI) -> Callable[[], object]:
    """OpenTelemetry's instrumentation of FastAPI with its batch processor, whose exporter drops the spans."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult  # noqa: PLC0415

    class Dropping(SpanExporter):
        count = 0

        def export(self, spans: Any) -> SpanExportResult:
            self.count += len(spans)
            return SpanExportResult.SUCCESS

    exporter = Dropping()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    FastAPIInstrumentor.instrument_app(app, tracer_provider=provider)

    def check() -> None:
        provider.shutdown()
        print(exporter.count, "spans", file=sys.stderr)

    return check


CONTENDERS: Mapping[str, Callable[[FastAPI], Callable[[], object]]] = {
    "bare": bare,
    "audit": audit,
    "audit_sealed": audit_sealed,
    "sentry": sentry,
    "opentelemetry": opentelemetry,
}


async def _requests(app: FastAPI, count: int) -> None:
    sent: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            sent.append(message["status"])

    for _ in range(count):
        await app({**_SCOPE, "state": {}}, receive, send)
    assert sent == [200] * count, sent[:3]  # noqa: S101


def work(contender: str, kind: str, count: int) -> None:
    """Measure one contender, and print microseconds of CPU a request."""
    install = CONTENDERS[contender]
    # Sentry patches FastAPI before the application exists, the others take the application.
    check = install(FastAPI()) if contender == "sentry" else None
    app = FastAPI()
    _add_endpoint(app, kind)
    check = check or install(app)

    async def run() -> float:
        await _requests(app, _WARM_UP)
        began = time.process_time()
        await _requests(app, count)
        return (time.process_time() - began) / count * 1e6

    found = asyncio.run(run())
    check()
    print(json.dumps(found))


def _add_endpoint(app: FastAPI, kind: str) -> None:
    if kind == "def":

        @app.post("/orders/{order_id}/refund")
        def in_thread(order_id: int) -> dict[str, int]:
            return {"order": order_id}
    else:

        @app.post("/orders/{order_id}/refund")
        async def in_loop(order_id: int) -> dict[str, int]:
            return {"order": order_id}


def main() -> None:
    """Let the contenders take turns, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.web", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--count", type=int, default=3_000)
    chosen = parser.parse_args()
    from telemetry.testing import EmbeddedKafka  # noqa: PLC0415 - the workers need none

    print("| endpoint | contender | CPU us a request | above the bare application | of the slower other one |")
    print("| --- | --- | --- | --- | --- |")
    with EmbeddedKafka() as kafka:
        for kind in KINDS:
            found: dict[str, list[float]] = {name: [] for name in CONTENDERS}
            for number in range(chosen.rounds):
                for name in list(CONTENDERS)[:: -1 if number % 2 else 1]:
                    found[name].append(_measured(name, kind, chosen.count, kafka.bootstrap_servers))
            _print_rows(kind, found)


def _measured(name: str, kind: str, count: int, brokers: str) -> float:
    command = [sys.executable, "-m", "bench.web", "--worker", name, kind, str(count), brokers]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return float(done.stdout.splitlines()[-1])


def _print_rows(kind: str, found: Mapping[str, list[float]]) -> None:
    above = {
        name: [value - base for value, base in zip(values, found["bare"], strict=True)]
        for name, values in found.items()
    }
    slower = max(("sentry", "opentelemetry"), key=lambda name: median(above[name]))
    for name, values in found.items():
        ratios = [one / other for one, other in zip(above[name], above[slower], strict=True)]
        cells = (_spread(values, "{:.0f}"), _spread(above[name], "{:.0f}"), _spread(ratios, "{:.2f}"))
        print(f"| {kind} | {name} | {' | '.join(cells if name != 'bare' else (cells[0], '', ''))} |", flush=True)


def _spread(values: list[float], form: str) -> str:
    low, middle, high = (form.format(value) for value in (min(values), median(values), max(values)))
    return f"{middle} ({low} to {high})"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        del sys.argv[1]
        work(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        main()
