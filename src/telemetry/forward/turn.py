"""Defines which of several forwarders works; one without a group always does."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self


class Turn(Protocol):
    """Says which of several forwarders works."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    @property
    def leads(self) -> bool:
        """Whether it is this one."""

    @property
    def lag(self) -> int | None:
        """Records that are not forwarded; None while that is not known."""

    @property
    def lost(self) -> int:
        """Records that were deleted before they were forwarded."""

    @property
    def is_outdated(self) -> bool:
        """Whether the topic has more partitions than are read."""

    def wait_to_lead(self, seconds: float) -> bool:
        """Wait until it is this one, at most so long; return whether it is."""

    def release(self) -> None:
        """Say that nothing is in hand any more."""


class Alone:
    """A forwarder without a group, which always works."""

    leads = True
    lag: int | None = None
    lost = 0
    is_outdated = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing."""

    def wait_to_lead(self, seconds: float) -> bool:  # noqa: ARG002 - nothing is waited for
        """Return that it works."""
        return True

    def release(self) -> None:
        """Do nothing."""
