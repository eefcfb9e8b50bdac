"""What one ``log()`` costs the caller: CPU of its thread and time until the call returns; no waiting for Kafka."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from bench.sender import Result
from bench.setup import audit_config
from bench.spec import USERS, Spec, payload
from telemetry.sync import Telemetry

Log = Callable[[str, dict[str, Any]], object]


def audit(spec: Spec) -> Result:
    """This library, as configured by default, delivering to Kafka meanwhile."""
    with Telemetry(audit_config(spec)) as telemetry:
        log = telemetry.audit.log
        log("warm_up", {}, "nobody", wait_for="delivered")
        return _measure(spec, lambda user, body: log("order_read", body, user))


def stdlib_logging(spec: Spec) -> Result:
    """``logging`` with a formatter that writes JSON, to a file."""

    class JsonFormatter(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            fields = {"time": record.created, "level": record.levelname, "event": record.getMessage()}
            return json.dumps(fields | record.__dict__["audit"])

    handler = logging.FileHandler(Path(spec.folder) / "log.jsonl")
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("bench")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    return _measure(
        spec, lambda user, body: logger.info("order_read", extra={"audit": {"user_id": user, "payload": body}})
    )


def structlog_orjson(spec: Spec) -> Result:
    """structlog in its fastest documented form: orjson, bytes, level and UTC time, to a file."""
    import orjson  # noqa: PLC0415 - each contender loads only what it needs
    import structlog  # noqa: PLC0415

    with (Path(spec.folder) / "log.jsonl").open("wb") as file:
        structlog.configure(
            cache_logger_on_first_use=True,
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(serializer=orjson.dumps),
            ],
            logger_factory=structlog.BytesLoggerFactory(file),
        )
        logger = structlog.get_logger().bind(service="shop")
        return _measure(spec, lambda user, body: logger.info("order_read", user_id=user, payload=body))


def opentelemetry_logs(spec: Spec) -> Result:
    """OpenTelemetry's logs SDK with its batch processor, written as JSON to a file by its console exporter."""
    from opentelemetry._logs import LogRecord, SeverityNumber  # noqa: PLC0415
    from opentelemetry.sdk._logs import LoggerProvider  # noqa: PLC0415
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, ConsoleLogRecordExporter  # noqa: PLC0415

    with (Path(spec.folder) / "log.jsonl").open("w") as file:
        provider = LoggerProvider()
        exporter = ConsoleLogRecordExporter(out=file, formatter=lambda record: record.to_json(indent=None) + "\n")
        provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
        logger = provider.get_logger("bench")

        def log(user: str, body: dict[str, Any]) -> None:
            record = LogRecord(
                timestamp=time.time_ns(),
                severity_number=SeverityNumber.INFO,
                body="order_read",
                attributes={"user_id": user, **body},
            )
            logger.emit(record)

        found = _measure(spec, log)
        provider.shutdown()
    return found


def _measure(spec: Spec, log: Log) -> Result:
    body = payload(spec.size)
    for user in USERS:
        log(user, body)
    now = time.perf_counter_ns
    times: list[int] = []
    note = times.append
    cpu = time.thread_time()
    for user in islice(cycle(USERS), spec.events):
        started = now()
        log(user, body)
        note(now() - started)
    cpu = time.thread_time() - cpu
    times.sort()
    return {
        "cpu_us": cpu / spec.events * 1e6,
        "p50_us": times[len(times) // 2] / 1e3,
        "p99_us": times[len(times) * 99 // 100] / 1e3,
        "p999_us": times[len(times) * 999 // 1000] / 1e3,
    }


CONTENDERS: dict[str, Callable[[Spec], Result]] = {
    "audit": audit,
    "stdlib_logging": stdlib_logging,
    "structlog_orjson": structlog_orjson,
    "opentelemetry_logs": opentelemetry_logs,
}
