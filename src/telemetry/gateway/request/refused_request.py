"""Defines the error that ends a request which cannot be answered with its events."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_NOTHING: Mapping[str, str] = MappingProxyType({})


class RefusedRequestError(Exception):
    """The request is refused as a whole.

    Args:
        status: HTTP status, 400 to 599 (RFC 9110 section 15).
        detail: What is wrong and what to do, in a sentence; nothing of the content is in it.
        headers: Further headers of the answer, such as ``Accept-Encoding``.
        retry_after: Seconds after which the same request may be accepted; None if it never will be.

    Attributes:
        status: HTTP status.
        detail: What is wrong and what to do.
        headers: Further headers of the answer.
        retry_after: Seconds after which the same request may be accepted.
    """

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] = _NOTHING, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail
        self.headers = headers
        self.retry_after = retry_after
