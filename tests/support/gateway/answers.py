"""Compares answers of the gateway with its own description."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

_EVERYWHERE = frozenset((404, 405))
"""What a path or a method can be answered with that does not exist."""


class DocumentedAnswers:
    """The answers that a description allows.

    Args:
        description: OpenAPI description of the gateway.
    """

    def __init__(self, description: Mapping[str, Any]) -> None:
        self._paths = description["paths"]
        components = {"components": {"schemas": description["components"]["schemas"]}}
        self._validators = {
            name: Draft202012Validator({"$ref": f"#/components/schemas/{name}", **components})
            for name in description["components"]["schemas"]
        }

    def require(self, path: str, method: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Check that an answer is described: its status, its media type and its body."""
        responses = self._paths[path][method]["responses"]
        if status in _EVERYWHERE and str(status) not in responses:
            return
        assert str(status) in responses, f"{status} is not described: {body[:300]!r}"
        kind = headers["content-type"].partition(";")[0]
        assert kind in responses[str(status)]["content"], f"{status} {kind} is not described"
        schema = responses[str(status)]["content"][kind]["schema"]
        if "$ref" in schema:
            self._validators[schema["$ref"].rpartition("/")[2]].validate(json.loads(body))
        if status in {429, 503}:
            assert int(headers["retry-after"]) >= 1
