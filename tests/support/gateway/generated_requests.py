"""Makes up requests to every route out of the gateway's own description: fitting ones, nearly fitting ones and rubbish."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, NamedTuple
from urllib.parse import quote

from google.protobuf.json_format import ParseDict, ParseError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.support.gateway.schema_values import SchemaValues

_ODD_TYPES = (
    *(
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
    ),
    *(
        'application/json;charset="UTF-8"',
        "application/cloudevents+json",
        "application/cloudevents-batch+json",
        "json",
        ";;",
        "*/*",
    ),
    *("application/x-protobuf", "x" * 900),
)
_PREFERENCES = (
    *(
        "wait=durable",
        "wait=delivered",
        "wait=0",
        "wait=1, respond-async",
        "wait=delivered, wait=0",
        "wait",
        "wait=forever",
        ",,,",
    ),
    *("wait=-1", "wait=9999999999999", 'wait="durable"', 'a="', "=", "\xff", "wait=0;" + "x=1;" * 200),
)
_KEYS = ("k-1", '"k-2"', "", '""', "a b", "x" * 201, "ä", '"', "\\")
_PROTOBUF = "application/x-protobuf"
_CODINGS = ("gzip", "identity", "br", "gzip, gzip", "deflate", "", "x-gzip")


class GeneratedRequest(NamedTuple):
    """A request.

    Attributes:
        method: Method.
        target: Path and query.
        headers: Headers, without length and identity.
        body: Body.
    """

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


class GeneratedRequests:
    """Requests to one operation.

    Args:
        description: OpenAPI description of the gateway.
        path: Path in it.
        method: Method of the path.
        seed: The same requests have the same seed.
    """

    def __init__(self, description: Mapping[str, Any], path: str, method: str, *, seed: int) -> None:
        self._operation = description["paths"][path][method]
        self._path = path
        self._method = method
        self._random = Random(f"{seed} {method} {path}")  # noqa: S311 - nothing secret
        self._values = SchemaValues(description["components"]["schemas"], self._random)

    def take(self, count: int) -> Iterator[GeneratedRequest]:
        """Yield so many requests."""
        for _ in range(count):
            kind, body = self._body()
            headers = [("Content-Type", kind)] if kind else []
            body, more = self._encoded(body)
            headers += more
            headers += self._preferences()
            if self._random.randrange(30) == 0:
                headers += self._cloudevent_headers()
            yield GeneratedRequest(self._method.upper(), self._target(), headers, body)

    def _target(self) -> str:
        path = self._path
        for parameter in self._operation.get("parameters", ()):
            if parameter["in"] == "path":
                fits = self._random.randrange(10)
                value = self._values.fitting(parameter["schema"]) if fits else self._values.text()[:200]
                path = path.replace(f"{{{parameter['name']}}}", quote(value.encode("utf-8", "replace"), safe=""))
        return path + self._random.choice(("", "", "", "?timeout=30s", "?wait=durable&wait=%ff"))

    def _body(self) -> tuple[str, bytes]:
        content: Mapping[str, Any] = self._operation.get("requestBody", {}).get("content", {})
        if not content:
            return "", b""
        kind = self._random.choice(list(content))
        schema = content[kind]["schema"]
        if schema.get("contentMediaType") == _PROTOBUF:
            return kind, self._protobuf(next(iter(content.values()))["schema"])
        if schema.get("type") == "string" or kind == "*/*":
            first = next(iter(content.values()))["schema"]
            values = [self._values.fitting(first) for _ in range(self._random.randrange(1, 5))]
            body = b"\n".join(_json(value, self._random) for value in values)
        else:
            value = self._values.fitting(schema)
            while self._random.randrange(2):
                value = self._values.mutated(value)
            body = _json(value, self._random)
        kind = "application/octet-stream" if kind == "*/*" else kind
        if self._random.randrange(8) == 0:
            kind = self._random.choice(_ODD_TYPES)
        return kind, self._damaged(body) if self._random.randrange(3) == 0 else body

    def _protobuf(self, schema: Mapping[str, Any]) -> bytes:
        """Return a message; rarely rubbish, or a part of one."""
        random = self._random
        try:
            message = ParseDict(self._values.fitting(schema), ExportLogsServiceRequest(), ignore_unknown_fields=True)
        except ParseError:
            return random.randbytes(random.randrange(300))
        data = bytes(message.SerializeToString())
        at = random.randrange(len(data) + 1)
        return random.choice((data, data, data[:at], data[:at] + random.randbytes(3) + data[at:], data * 3))

    def _damaged(self, body: bytes) -> bytes:  # noqa: PLR0911 - one for each damage
        random = self._random
        at = random.randrange(len(body) + 1)
        match random.randrange(10):
            case 0:
                return body[:at]
            case 1:
                return body[:at] + random.randbytes(random.randrange(1, 9)) + body[at:]
            case 2:
                return b"[" * random.choice((10, 65, 3_000)) + body + b"]" * random.choice((10, 65, 3_000))
            case 3:
                return b"\xef\xbb\xbf" + body
            case 4:
                return body.decode("utf-8", "replace").encode(
                    random.choice(("utf-16", "utf-32", "utf-16-le")), "replace"
                )
            case 5:
                return body.replace(b'"', random.choice((b'"\\ud800', b'"\\u0000', b"'", b'"\x00')), 1)
            case 6:
                return random.randbytes(random.randrange(200))
            case 7:
                return body.replace(
                    b":", b":" + random.choice((b"NaN,", b"1e999,", b"-0,", b"0.10000000000000000001,")), 1
                )
            case 8:
                return body + body
            case _:
                return b"[" + b",".join([body or b"1"] * random.choice((2, 40, 1_001))) + b"]"

    def _encoded(self, body: bytes) -> tuple[bytes, list[tuple[str, str]]]:
        roll = self._random.randrange(12)
        if roll < 2:
            packed = gzip.compress(body, 1)
            return packed if roll else packed[: self._random.randrange(len(packed) + 1)], [("Content-Encoding", "gzip")]
        if roll == 2:
            return body, [("Content-Encoding", self._random.choice(_CODINGS))]
        if roll == 3 and self._random.randrange(10) == 0:
            return gzip.compress(b" " * (20 << 20), 9), [("Content-Encoding", "gzip")]
        return body, []

    def _preferences(self) -> list[tuple[str, str]]:
        headers = []
        if self._random.randrange(3) == 0:
            headers.append(("Prefer", self._random.choice(_PREFERENCES)))
        if self._random.randrange(3) == 0:
            headers.append(("Idempotency-Key", self._random.choice(_KEYS)))
        return headers

    def _cloudevent_headers(self) -> list[tuple[str, str]]:
        headers = [("ce-specversion", self._random.choice(("1.0", "0.3", ""))), ("ce-id", "1"), ("ce-type", "t")]
        headers += [("ce-source", self._random.choice(("s", "%zz", "%FF", "\xff")))]
        return headers[: self._random.randrange(1, 5)] + headers[: self._random.randrange(2)]


def _json(value: Any, random: Random) -> bytes:
    text = json.dumps(
        value, ensure_ascii=random.randrange(2) == 0, separators=random.choice(((",", ":"), (", ", ": ")))
    )
    return text.encode("utf-8", "surrogatepass")
