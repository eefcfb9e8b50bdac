"""Configures how log records of OTLP become events."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from telemetry.config.model import ConfigModel


class OtlpConfig(ConfigModel):
    """How ``POST /v1/logs`` takes the log records of OpenTelemetry.

    Attributes:
        event_name_attributes: Further attributes that may hold the name of the event, after the field ``EventName`` and the
            attribute ``event.name``.
        without_event_name: What happens to a record without a name: ``refuse`` counts it in ``partial_success`` and in the
            log, ``ignore`` does not, for sources whose other lines are known to be no events.
        max_records: Records in one request, those that are no events included.
        wait_for: How safe the events must be before the exporter is told that it may forget them.
    """

    event_name_attributes: tuple[str, ...] = Field(default=(), max_length=16)
    without_event_name: Literal["refuse", "ignore"] = "refuse"
    max_records: int = Field(default=10_000, ge=1, le=100_000)
    wait_for: Literal["accepted", "durable", "delivered"] = "durable"
