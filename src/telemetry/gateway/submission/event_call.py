"""Defines what a request asks of ``log()``: the arguments of one call, or why one of its events cannot be one."""

from __future__ import annotations

from typing import Any, NamedTuple, final


@final
class EventCall(NamedTuple):
    """The arguments of one call of ``log()``.

    Attributes:
        event_type: What happened.
        payload: Any JSON value.
        user_id: User whose event it is; None if nobody is known.
        fields: The other arguments, by name.
    """

    event_type: Any
    payload: Any
    user_id: Any
    fields: dict[str, Any]


@final
class RefusedEvent(NamedTuple):
    """An event that was not logged.

    Attributes:
        status: HTTP status that it would have alone.
        reason: What is wrong with it and what to do; nothing of its content is in it.
        retry_after: Seconds after which the same event may be accepted; None if it never will be.
    """

    status: int
    reason: str
    retry_after: int | None = None
