"""Writes data to standard output and everything for people to standard error."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.segment import Segment

from telemetry.exceptions import ConfigurationError, TelemetryError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Unicode's categories of characters that a terminal obeys or hides instead of showing them."""
_BEYOND_BMP = 0x10000


class NeutralConsole(Console):
    """A console whose output cannot steer a terminal: what rich writes itself passes, what a text brings does not.

    Everything that a command prints for people goes through it, so that no command has to remember that a name, a time
    or an error message can come from an attacker.
    """

    def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
        """Render as rich does; characters that a terminal obeys become escapes."""
        for segment in super().render(renderable, options):
            # Colours are the segment's style, and cursor movements of a progress bar are control segments.
            if segment.control or segment.text == "\n" or segment.text.isprintable():
                yield segment
            else:
                yield segment._replace(text="\n".join(map(escape_control, segment.text.split("\n"))))


# Lines are not wrapped, so that other programs can read them; nothing is coloured but what is marked here.
out = NeutralConsole(highlight=False, soft_wrap=True)
err = NeutralConsole(stderr=True, highlight=False, soft_wrap=True)


def escape_control(text: str) -> str:
    """Return text that cannot steer a terminal: control, format and bidirectional characters become escapes."""
    if text.isprintable():
        return text
    return "".join(character if _is_shown(character) else ascii(character)[1:-1] for character in text)


def escape_json(text: str) -> str:
    """Return JSON that means the same and cannot steer a terminal: such characters become JSON's own escapes."""
    if text.isprintable():
        return text
    return "".join(character if _is_shown(character) else _json_escape(character) for character in text)


def escape_markup(text: str) -> str:
    """Return text in which rich finds no markup, and a terminal nothing to obey."""
    return escape_control(text).replace("[", r"\[")


def write_line(line: str, *, exit_code: int = 0) -> None:
    """Write one line of data to standard output; the reader's end of the pipe may be closed already.

    On a terminal the line is JSON that people look at: see :func:`escape_json`. Other programs get its exact bytes.

    Args:
        line: The line, without its end.
        exit_code: How the command ends if nobody reads any more; a verdict must not become a good one by that.

    Raises:
        typer.Exit: Nobody reads any more.
    """
    if sys.stdout is None:
        raise typer.Exit(exit_code)
    try:
        if sys.stdout.isatty():
            line = "\n".join(map(escape_json, line.split("\n")))
        sys.stdout.write(line + "\n")
    except BrokenPipeError:
        # The reader has seen enough, as with `| head`. Without a stream, Python does not flush into the pipe at exit.
        sys.stdout = None
        raise typer.Exit(exit_code) from None


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


def _is_shown(character: str) -> bool:
    return unicodedata.category(character) not in _INVISIBLE


def _json_escape(character: str) -> str:
    number = ord(character)
    if number < _BEYOND_BMP:
        return f"\\u{number:04x}"
    # A surrogate pair (RFC 8259 section 7).
    number -= _BEYOND_BMP
    return f"\\u{0xD800 | number >> 10:04x}\\u{0xDC00 | number & 0x3FF:04x}"
