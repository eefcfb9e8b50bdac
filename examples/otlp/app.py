"""Logs audit events through the SDK of OpenTelemetry for Python: one JSON object a line, with the attributes of the event.

    export OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=https://gateway.example:4318/v1/logs
    export OTEL_EXPORTER_OTLP_CERTIFICATE=authority.pem
    export OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=shop.pem OTEL_EXPORTER_OTLP_CLIENT_KEY=shop.key
    export OTEL_EXPORTER_OTLP_TIMEOUT=600    # seconds in which it tries again; the default of 10 loses events
    python app.py < events.jsonl

Needs opentelemetry-sdk and opentelemetry-exporter-otlp-proto-http.
"""

import json
import sys
import uuid

from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource


def main():
    provider = LoggerProvider(Resource.create({"service.name": "shop"}))
    exporter = OTLPLogExporter(compression=Compression.Gzip)
    provider.add_log_record_processor(
        BatchLogRecordProcessor(exporter, max_queue_size=10_000, max_export_batch_size=200)
    )
    logger = provider.get_logger("shop.orders", "1.0")
    for line in sys.stdin:
        attributes = json.loads(line)
        # With an id of its own a record that is sent again is never taken for a second event.
        attributes["log.record.uid"] = str(uuid.uuid4())
        logger.emit(LogRecord(event_name=attributes.pop("event_name"), attributes=attributes))
    provider.force_flush()  # shutdown() alone gives up after 30 seconds
    provider.shutdown()


main()
