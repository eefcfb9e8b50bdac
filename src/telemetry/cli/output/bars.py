"""Shows the steps of long work as progress bars on a terminal, and nothing elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from telemetry.cli.output.console import progress

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bar:
    """One progress bar.

    Args:
        bars: The progress bars.
        task: The bar among them.
    """

    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars = bars
        self._task = task

    def expect(self, records: int) -> None:
        """Set the length of the bar."""
        self._bars.update(self._task, total=records)

    def advance(self, count: int = 1) -> None:
        """Move the bar on."""
        self._bars.advance(self._task, count)


class Bars:
    """Shows each step as a bar; a ``ProgressDisplay``."""

    @contextmanager
    def step(self, label: str, *, total: int | None = None) -> Iterator[Bar]:
        """Show a bar while a step is being done.

        Args:
            label: Text beside the bar.
            total: Length of the bar; None if it is not known yet.
        """
        with progress(label, total=total) as (bars, task):
            yield Bar(bars, task)
