"""Bounds what the callers of the gateway may take."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from telemetry.config.model import ConfigModel
from telemetry.exceptions import ConfigurationError, Problem


class GatewayLimits(ConfigModel):
    """Bounds of what callers may take.

    Attributes:
        max_body_bytes: Size of a request's body as it is sent.
        max_inflated_bytes: Size of a body after decompression.
        max_depth: Nesting of JSON and of OTLP values.
        max_events: Events in one request.
        max_requests: Requests that are worked on at once, three quarters of them for one service; further ones are answered 429.
        max_body_bytes_at_once: Size of all bodies together that are worked on at once; further ones are answered 429.
        request_seconds: Time for a request from the end of its header to the end of its answer.
        header_seconds: Time for a TLS handshake, and for the header of a request.
        max_header_bytes: Size of a request's header.
        max_connections: Open connections, three quarters of them for one certificate or user; further ones wait until one is closed.
        keep_alive_seconds: How long a connection may be idle between two requests.
    """

    max_body_bytes: int = Field(default=4 * 1024 * 1024, ge=1_024, le=256 * 1024 * 1024)
    max_inflated_bytes: int = Field(default=16 * 1024 * 1024, ge=1_024, le=1024 * 1024 * 1024)
    max_depth: int = Field(default=64, ge=4, le=500)
    max_events: int = Field(default=1_000, ge=1, le=100_000)
    max_requests: int = Field(default=256, ge=1, le=10_000)
    max_body_bytes_at_once: int = Field(default=128 * 1024 * 1024, ge=1_024, le=64 * 1024 * 1024 * 1024)
    request_seconds: float = Field(default=30.0, ge=1, le=600)
    header_seconds: float = Field(default=10.0, ge=0.5, le=120)
    max_header_bytes: int = Field(default=16 * 1024, ge=1_024, le=1024 * 1024)
    max_connections: int = Field(default=1_000, ge=1, le=100_000)
    keep_alive_seconds: int = Field(default=75, ge=1, le=3_600)

    @model_validator(mode="after")
    def _one_body_fits(self) -> Self:
        if self.max_body_bytes_at_once < max(self.max_body_bytes, self.max_inflated_bytes):
            raise ConfigurationError(
                Problem("max_body_bytes_at_once", "is smaller than one body may be", "raise it, or lower the other")
            )
        return self
