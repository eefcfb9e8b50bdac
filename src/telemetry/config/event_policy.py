"""Configures how safe events of some types must be, beyond what their catalogue says."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from telemetry.config.model import ConfigModel


class EventPolicyConfig(ConfigModel):
    """A table ``[[audit_config.event_policies]]``; of several that match a type, the strictest counts in each respect.

    Attributes:
        type: Pattern of the event type, such as ``order.*``.
        delivery: Least level: ``accepted``, ``durable`` or ``delivered``.
        on_failure: ``raise`` or ``block`` where the catalogue says less; ``count`` leaves it.
        block_seconds: How long a call waits at most with ``block``.
    """

    type: str = Field(min_length=1, max_length=255)
    delivery: Literal["accepted", "durable", "delivered"] = "accepted"
    on_failure: Literal["count", "raise", "block"] = "count"
    block_seconds: float = Field(default=3_600.0, gt=0, le=3_600)
