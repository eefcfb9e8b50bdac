"""Describes ``POST /v1/logs`` in OpenAPI, as far as the gateway reads OTLP.

Source: opentelemetry/proto/collector/logs/v1/logs_service.proto, in its JSON encoding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from telemetry.gateway.otlp.export_answer import Encoding
from telemetry.gateway.problems import MEDIA_TYPE as PROBLEM
from telemetry.gateway.request.body import CODINGS
from telemetry.gateway.routes.described import ERRORS, PREFERENCE_APPLIED, RETRY_AFTER, RETRY_STATUSES

PATH = "/v1/logs"

_JSON, _PROTOBUF = Encoding.JSON.value, Encoding.PROTOBUF.value
_BINARY: dict[str, Any] = {"type": "string", "contentMediaType": _PROTOBUF}
_ATTRIBUTES = {"type": "array", "items": {"$ref": "#/components/schemas/OtlpKeyValue"}}
_NANOSECONDS = {"type": ["string", "integer"], "pattern": "^[0-9]{1,20}$", "minimum": 0}

SCHEMAS: Mapping[str, Any] = {
    "OtlpAnyValue": {
        "type": "object",
        "properties": {
            "stringValue": {"type": "string"},
            "boolValue": {"type": "boolean"},
            "intValue": {"type": ["string", "integer"], "pattern": "^-?[0-9]{1,19}$"},
            "doubleValue": {"type": "number"},
        },
        "maxProperties": 1,
    },
    "OtlpKeyValue": {
        "type": "object",
        "required": ["key", "value"],
        "properties": {"key": {"type": "string"}, "value": {"$ref": "#/components/schemas/OtlpAnyValue"}},
    },
    "OtlpLogRecord": {
        "type": "object",
        "properties": {
            "timeUnixNano": _NANOSECONDS,
            "observedTimeUnixNano": _NANOSECONDS,
            "severityNumber": {"type": "integer", "minimum": 0, "maximum": 24},
            "severityText": {"type": "string"},
            "eventName": {"type": "string", "description": "The event type; a record without one is no audit event."},
            "body": {"$ref": "#/components/schemas/OtlpAnyValue"},
            "attributes": _ATTRIBUTES,
            "traceId": {"type": "string", "pattern": "^(?:[0-9a-f]{32})?$"},
            "spanId": {"type": "string", "pattern": "^(?:[0-9a-f]{16})?$"},
        },
    },
    "OtlpLogs": {
        "type": "object",
        "properties": {
            "resourceLogs": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "resource": {"type": "object", "properties": {"attributes": _ATTRIBUTES}},
                        "scopeLogs": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "properties": {
                                    "logRecords": {
                                        "type": "array",
                                        "items": {"$ref": "#/components/schemas/OtlpLogRecord"},
                                    }
                                },
                            },
                        },
                    },
                },
            }
        },
    },
    "OtlpAnswer": {
        "type": "object",
        "properties": {
            "partialSuccess": {
                "type": "object",
                "properties": {"rejectedLogRecords": {"type": "string"}, "errorMessage": {"type": "string"}},
            }
        },
    },
    "OtlpStatus": {
        "type": "object",
        "required": ["code", "message"],
        "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
    },
}


def _error(status: int, text: str) -> dict[str, Any]:
    return {
        "description": text,
        "headers": RETRY_AFTER if status in RETRY_STATUSES else {},
        "content": {
            _JSON: {"schema": {"$ref": "#/components/schemas/OtlpStatus"}},
            _PROTOBUF: {"schema": _BINARY},
            PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}},
        },
    }


PATHS: Mapping[str, Any] = {
    PATH: {
        "post": {
            "summary": "Log the records of an OpenTelemetry exporter that are events",
            "description": "OTLP/HTTP, in either of its encodings; the answer is in the encoding of the request.",
            "parameters": [
                {
                    "name": "Content-Encoding",
                    "in": "header",
                    "description": "How the body is compressed.",
                    "schema": {"enum": list(CODINGS)},
                }
            ],
            "requestBody": {
                "required": True,
                "content": {
                    _JSON: {"schema": {"$ref": "#/components/schemas/OtlpLogs"}},
                    _PROTOBUF: {"schema": _BINARY},
                },
            },
            "responses": {
                "200": {
                    "description": "None needs to be sent again; partialSuccess counts those that are no events.",
                    "headers": PREFERENCE_APPLIED,
                    "content": {
                        _JSON: {"schema": {"$ref": "#/components/schemas/OtlpAnswer"}},
                        _PROTOBUF: {"schema": _BINARY},
                    },
                },
                **{str(status): _error(status, text) for status, text in ERRORS.items()},
            },
        }
    }
}
"""Description in OpenAPI."""
