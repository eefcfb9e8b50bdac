"""Defines how long work on a trail tells how far it is, to a terminal or to a page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class StepProgress(Protocol):
    """How far one step is."""

    def expect(self, records: int) -> None:
        """Say how many there are, as soon as it is known."""

    def advance(self, count: int = 1) -> None:
        """Say that so many more are done."""


class ProgressDisplay(Protocol):
    """Shows the steps of long work, one after the other."""

    def step(self, label: str, *, total: int | None = None) -> AbstractContextManager[StepProgress]:
        """Show a step while it is being done.

        Args:
            label: What is done, such as ``verifying``.
            total: How many there are; None if it is not known yet.
        """


class _Unseen:
    def expect(self, records: int) -> None:
        """Show nothing."""

    def advance(self, count: int = 1) -> None:
        """Show nothing."""


class _NoDisplay:
    @contextmanager
    def step(self, label: str, *, total: int | None = None) -> Iterator[StepProgress]:  # noqa: ARG002 - of the protocol
        """Show nothing."""
        yield _Unseen()


NO_PROGRESS: ProgressDisplay = _NoDisplay()
"""Shows nothing."""
