"""What one worker process is to measure, and the events it measures with."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

USERS = tuple(f"user-{number}" for number in range(100))
_FIELD_TEXT = "the value of one field of an audit event, plain "


@dataclass(frozen=True)
class Spec:
    """One measurement: who, with what, and where."""

    area: str
    contender: str
    size: int = 1024
    events: int = 40_000
    batch_kb: int = 1
    spool: bool = False
    threads: int = 1
    tasks: int = 0
    wait_for: Literal["accepted", "durable", "delivered"] = "accepted"
    topic: str = ""
    samples: str = ""
    folder: str = ""
    kafka: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> Spec:
        return cls(**json.loads(text))

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def payload(size: int) -> dict[str, Any]:
    """Return a flat payload whose JSON has just about ``size`` bytes."""
    made: dict[str, Any] = {"action": "read", "resource": "orders/4711", "allowed": True}
    while size - len(json.dumps(made, separators=(",", ":"))) > 2 * len(_FIELD_TEXT):
        made[f"field{len(made):02d}"] = _FIELD_TEXT[:-1]
    made["rest"] = "x" * max(0, size - len(json.dumps(made, separators=(",", ":"))) - 10)
    return made


def event(user: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return what a hand-made audit event has at least: identity, time, kind, actor, service and payload."""
    return {
        "id": str(uuid.uuid4()),
        "time": datetime.now(UTC).isoformat(),
        "event_type": "order_read",
        "user_id": user,
        "service_name": "shop",
        "environment": "bench",
        "payload": body,
    }
