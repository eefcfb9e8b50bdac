"""Sends events as log records of OpenTelemetry (OTLP/HTTP, protobuf).

Source: OpenTelemetry, "OTLP Specification 1.10", sections "OTLP/HTTP" and "Partial Success"; "Logs Data Model".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs

from telemetry.forward.delivery import Batch, BatchRefusedError, Described, Parcel, PartlyRefusedError, Patience
from telemetry.forward.targets.post import PostClient, require_accepted
from telemetry.reader.entry import Entry, RawRecord
from telemetry.version import __version__

PATH = "/v1/logs"
MAX_DEPTH = 24
"""Levels of a document; receivers accept 100 nested messages, and a level of JSON has three."""

_INFO, _WARN = 9, 13
"""SeverityNumber INFO and WARN."""
_SCOPE = "telemetry-audit"
_INT64 = 1 << 63
_NANO = 1_000_000_000


class OtlpTarget:
    """A receiver of OTLP logs, such as the OpenTelemetry Collector; ``log.record.uid`` recognizes a copy.

    Args:
        client: Posts to it.
    """

    name = "otlp"
    window = 1

    def __init__(self, client: PostClient) -> None:
        self._client = client

    def parcel(self, entry: Entry, raw: RawRecord, described: Described, document: Any) -> Parcel:
        """Return a serialized ``ResourceLogs`` with one record: its body is the document."""
        record = LogRecord(
            time_unix_nano=_nanoseconds(described.time),
            observed_time_unix_nano=_nanoseconds(described.logged),
            severity_number=_WARN if described.outcome in ("failure", "denied") else _INFO,  # type: ignore[arg-type]
            event_name=described.event_type,
            body=_any_value(document),
            attributes=_key_values({"log.record.uid": described.id, "event.name": described.event_type}),
            trace_id=bytes.fromhex(described.trace_id or ""),
            span_id=bytes.fromhex(described.span_id or ""),
        )
        resource = {
            "service.name": described.service,
            "service.version": described.version,
            "deployment.environment.name": described.environment,
        }
        logs = ResourceLogs()
        logs.resource.attributes.extend(_key_values({name: value for name, value in resource.items() if value}))
        scope = logs.scope_logs.add()
        scope.scope.name, scope.scope.version = _SCOPE, __version__
        scope.log_records.append(record)
        return Parcel(described.id, entry, raw, logs.SerializeToString())

    def send(self, batch: Batch) -> None:
        """Post a batch; see :class:`telemetry.forward.delivery.Target`."""
        headers = {"Content-Type": "application/x-protobuf"}
        path = "" if self._client.url.endswith(PATH) else PATH
        answer = self._client.post(path, _joined(batch).SerializeToString(), headers)
        require_accepted(answer, url=self._client.origin)
        try:
            partial = ExportLogsServiceResponse.FromString(answer.body).partial_success
        except DecodeError:
            return
        refused = partial.rejected_log_records
        if refused <= 0:
            return
        # Its error_message is not repeated: it may quote the event.
        reason = f"partial success: {min(refused, len(batch))} of {len(batch)} records were refused"
        if refused >= len(batch):
            raise BatchRefusedError(reason)
        raise PartlyRefusedError(reason, count=refused)

    def settle(self, patience: Patience) -> None:
        """Do nothing: the answer is the acknowledgement."""

    def close(self) -> None:
        """Drop the connection."""
        self._client.close()


def _joined(batch: Batch) -> ExportLogsServiceRequest:
    """Return one request, with neighbours of the same service under one resource."""
    request = ExportLogsServiceRequest()
    for parcel in batch:
        logs = ResourceLogs.FromString(parcel.content)
        last = request.resource_logs[-1] if request.resource_logs else None
        if last is not None and last.resource == logs.resource:
            last.scope_logs[0].log_records.append(logs.scope_logs[0].log_records[0])
        else:
            request.resource_logs.append(logs)
    return request


def _nanoseconds(seconds: float) -> int:
    return max(round(seconds * _NANO), 0)


def _key_values(members: Mapping[str, Any], depth: int = 0) -> list[KeyValue]:
    return [KeyValue(key=name, value=_any_value(value, depth)) for name, value in members.items()]


def _any_value(value: Any, depth: int = 0) -> AnyValue:
    """Return a JSON value in OpenTelemetry's form; a number that has no place there is a text, and so is what is nested deeper."""
    found = AnyValue()
    if depth >= MAX_DEPTH and isinstance(value, Mapping | list | tuple):
        found.string_value = msgspec.json.encode(value).decode()
    elif isinstance(value, bool):
        found.bool_value = value
    elif isinstance(value, int):
        if -_INT64 <= value < _INT64:
            found.int_value = value
        else:
            found.string_value = str(value)
    elif isinstance(value, float):
        found.double_value = value
    elif isinstance(value, str):
        found.string_value = value
    elif isinstance(value, Mapping):
        found.kvlist_value.values.extend(_key_values(value, depth + 1))
        found.kvlist_value.SetInParent()
    elif isinstance(value, list | tuple):
        found.array_value.values.extend(_any_value(each, depth + 1) for each in value)
        found.array_value.SetInParent()
    return found
