"""Configures how many streams share one pipeline, and how much of it one of them may use."""

from __future__ import annotations

from pydantic import Field

from telemetry.config.model import ConfigModel


class SharedStreamsConfig(ConfigModel):
    """A process that logs on behalf of other services, each with a stream of its own (docs/architecture.md).

    Attributes:
        max_streams: Services that may have an open stream at the same time, 1 to 10,000.
        idle_seconds: A stream without events for so long ends with a final checkpoint; the next event opens a new one.
        max_share: Part of the queue, in events and in bytes, that one stream may occupy.
    """

    max_streams: int = Field(default=1_000, ge=1, le=10_000)
    idle_seconds: float = Field(default=900.0, ge=1.0, le=86_400)
    max_share: float = Field(default=0.25, gt=0, le=1)
