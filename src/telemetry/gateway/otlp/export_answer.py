"""Answers an exporter in the encoding of its request, as the specification of OTLP/HTTP says.

A success is an ``ExportLogsServiceResponse``, an error a ``google.rpc.Status``
(https://opentelemetry.io/docs/specs/otlp/, section OTLP/HTTP Response).
"""

from __future__ import annotations

import enum
import math
import random
from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsPartialSuccess, ExportLogsServiceResponse
from starlette.responses import Response

PROTOBUF_TYPES = ("application/x-protobuf", "application/protobuf")

# google/rpc/code.proto
_INVALID_ARGUMENT, _RESOURCE_EXHAUSTED, _UNAVAILABLE, _UNAUTHENTICATED, _PERMISSION_DENIED = 3, 8, 14, 16, 7
_CODES = {401: _UNAUTHENTICATED, 403: _PERMISSION_DENIED, 413: _RESOURCE_EXHAUSTED, 429: _RESOURCE_EXHAUSTED}
LEAST_PAUSE_SECONDS = 10.0
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_SERVER_ERROR = 500
_LENGTH_OF_MESSAGE = 0x12  # field 2 of Status, which has a length
_NUMBER_OF_CODE = 0x08  # field 1, a varint; every code is below 128


class Encoding(enum.Enum):
    """How a request and its answer are encoded; the value is the media type of the answer."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


def encoding_of(content_type: str) -> Encoding | None:
    """Return the encoding that a ``Content-Type`` names; None if OTLP has none of this name."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in PROTOBUF_TYPES:
        return Encoding.PROTOBUF
    return Encoding.JSON if media_type == Encoding.JSON.value else None


def success_answer(encoding: Encoding, *, refused: int, reason: str, headers: Mapping[str, str]) -> Response:
    """Return the answer that the exporter need not send the records again.

    Args:
        encoding: Encoding of the request.
        refused: Records that are no events, and never will be.
        reason: Why they were refused; empty if none was.
        headers: Further headers.
    """
    answer = ExportLogsServiceResponse()
    if refused:
        answer.partial_success.CopyFrom(ExportLogsPartialSuccess(rejected_log_records=refused, error_message=reason))
    if encoding is Encoding.PROTOBUF:
        return Response(answer.SerializeToString(), 200, dict(headers), media_type=encoding.value)
    said = {"partialSuccess": {"rejectedLogRecords": str(refused), "errorMessage": reason}} if refused else {}
    return Response(msgspec.json.encode(said), 200, dict(headers), media_type=encoding.value)


def pause_for(seconds: float | None) -> float | None:
    """Return what an exporter is asked to wait, in seconds: at least ten, and not the same for all.

    Exporters make about six attempts, whatever the answer, and wait exactly as long as it says: these pauses decide how long
    an outage may be, and whether all of them come back in the same second.

    Args:
        seconds: After how long the request may be accepted; None if it never will be.
    """
    if seconds is None:
        return None
    return max(seconds, LEAST_PAUSE_SECONDS) * random.uniform(1.0, 1.5)  # noqa: S311 - spreads requests, no secret


def error_answer(
    encoding: Encoding,
    status: int,
    detail: str,
    *,
    retry_after: float | None = None,
    headers: Mapping[str, str] = _NO_HEADERS,
) -> Response:
    """Return an error.

    Args:
        encoding: Encoding of the request.
        status: HTTP status. Exporters send again after 429, 502, 503 and 504, and after no other one.
        detail: What is wrong and what to do; no content of the request.
        retry_after: Seconds after which the same request may be accepted; the exporter is asked to wait longer.
        headers: Further headers.
    """
    further = dict(headers)
    pause = pause_for(retry_after)
    if pause is not None:
        further["Retry-After"] = str(math.ceil(pause))
    code = _CODES.get(status, _UNAVAILABLE if status >= _SERVER_ERROR else _INVALID_ARGUMENT)
    if encoding is Encoding.JSON:
        body = msgspec.json.encode({"code": code, "message": detail})
    else:
        message = detail.encode()
        body = bytes([_NUMBER_OF_CODE, code, _LENGTH_OF_MESSAGE]) + _varint(len(message)) + message
    return Response(body, status, further, media_type=encoding.value)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
