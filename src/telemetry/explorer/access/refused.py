"""Says why a request is not answered with what it asked for."""

from __future__ import annotations

FORBIDDEN = 403


class Refused(Exception):  # noqa: N818 - it is an answer, and no fault of the program
    """A request that is refused; the visitor sees ``detail``, and a refusal of rights is recorded with ``reason``.

    Attributes:
        status: Status of the answer, 400 to 599.
        reason: A word of the code, for what is recorded; never something of the request.
        detail: What to do about it, for the visitor; never something of the request.
    """

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.detail = detail
