"""Writes data to standard output and everything for people to standard error."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from telemetry.exceptions import ConfigurationError, TelemetryError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# Lines are not wrapped, so that other programs can read them; nothing is coloured but what is marked here.
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
"""Unicode's categories of characters that a terminal obeys or hides instead of showing them."""


def escape_control(text: str) -> str:
    """Return text that cannot steer a terminal: control, format and bidirectional characters become escapes."""
    if text.isprintable():
        return text
    return "".join(
        character if unicodedata.category(character) not in _INVISIBLE else ascii(character)[1:-1] for character in text
    )


def escape_markup(text: str) -> str:
    """Return text in which rich finds no markup, and a terminal nothing to obey."""
    return escape_control(text).replace("[", r"\[")


def write_line(line: str) -> None:
    """Write one line of data to standard output; the reader's end of the pipe may be closed already."""
    try:
        sys.stdout.write(line + "\n")
    except BrokenPipeError:
        # The reader has seen enough, as with `| head`. Without a stream, Python does not flush into the pipe at exit.
        sys.stdout = None
        raise typer.Exit(0) from None


def fail(error: TelemetryError) -> typer.Exit:
    """Show an error and return the exit that goes with it."""
    problems = error.problems if isinstance(error, ConfigurationError) else [error]
    for problem in problems:
        err.print(f"[bold red]error:[/] {escape_markup(str(problem))}")
    return typer.Exit(error.exit_code)


@contextmanager
def progress(label: str, *, total: int | None = None, shown: bool = True) -> Iterator[tuple[Progress, TaskID]]:
    """Show a progress bar on a terminal, and nothing elsewhere."""
    from rich.progress import (  # noqa: PLC0415 - a fifth of a short command's start, and its help shows no bar
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    # Always on standard error, where it cannot mix with the data.
    with Progress(*columns, console=err, disable=not (shown and err.is_terminal), transient=True) as bar:
        yield bar, bar.add_task(label, total=total)


class BarTotal:
    """Gives a progress bar its length as soon as the number of records is known.

    Args:
        bar: The progress bars.
        task: The bar among them.
    """

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar = bar
        self._task = task

    def expect(self, records: int) -> None:
        """Set the length of the bar."""
        self._bar.update(self._task, total=records)
