"""Defines the caller of a request: who it is, and for which service it logs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Channel = Literal["mtls", "token", "unix"]
"""How a caller was recognized."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller that the identities file knows.

    Attributes:
        identity: Name for logs and events: a certificate's name, a token's id or ``uid:1001``; never a secret.
        service: Service under whose name its events are logged.
        channel: How it was recognized.
        max_events_per_second: Its quota; None for no bound of its own.
    """

    identity: str
    service: str
    channel: Channel
    max_events_per_second: float | None = None
