"""Where the command writes: data to standard output, everything for people to standard error."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from telemetry.exceptions import ConfigurationError, TelemetryError

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))


def neutral(text: str) -> str:
    """Return text that cannot steer a terminal: control, format and bidirectional characters are shown as escapes."""
    if text.isprintable():
        return text
    return "".join(
        character if unicodedata.category(character) not in _INVISIBLE else ascii(character)[1:-1] for character in text
    )


def write_line(line: str) -> None:
    """Write one line of data to standard output; the reader's end of the pipe may be closed already."""
    try:
        sys.stdout.write(line + "\n")
    except BrokenPipeError:
        # Whoever reads has seen enough, as with `| head`.
        sys.stdout = None
        raise typer.Exit(0) from None


def fail(error: TelemetryError) -> typer.Exit:
    """Show an error and return the exit that goes with it."""
    problems = error.problems if isinstance(error, ConfigurationError) else [error]
    for problem in problems:
        err.print(f"[bold red]error:[/] {_escaped(neutral(str(problem)))}")
    return typer.Exit(error.exit_code)


def note(text: str) -> None:
    """Show a remark."""
    err.print(_escaped(text), style="dim")


@contextmanager
def progress(label: str, *, total: int | None = None, shown: bool = True) -> Iterator[tuple[Progress, TaskID]]:
    """Show a progress bar on a terminal, and nothing elsewhere."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, disable=not (shown and err.is_terminal), transient=True) as bar:
        yield bar, bar.add_task(label, total=total)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
