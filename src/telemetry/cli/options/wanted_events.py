"""Reads which events a command shall prove: from its arguments and from a file with one id a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.format.uuid7 import is_uuid

MAX_EVENTS = 1_000
"""Events that are proven in one run."""

_MAX_FILE_BYTES = 1 << 20
_MAX_PROBLEMS = 10


def wanted_events(arguments: Sequence[str], file: Path | None) -> list[str]:
    """Return the ids, each once, in their order.

    Args:
        arguments: Ids on the command line.
        file: File with one id a line; empty lines are skipped. None for none.

    Raises:
        ConfigurationError: There is no id, one of them is malformed, there are too many, or the file cannot be read.
    """
    remedy = "copy it from `tail --json`"
    problems = [
        Problem("EVENT_ID", "is not the id of an event", remedy) for event_id in arguments if not is_uuid(event_id)
    ]
    listed = list(_lines(file)) if file is not None else []
    problems += [
        Problem("--ids", f"line {number} of {file} is not the id of an event", remedy)
        for number, event_id in listed
        if not is_uuid(event_id)
    ]
    if problems:
        raise ConfigurationError(*problems[:_MAX_PROBLEMS])
    return _counted([*arguments, *(event_id for _, event_id in listed)])


def _counted(event_ids: Iterable[str]) -> list[str]:
    unique = list(dict.fromkeys(event_ids))
    if not unique:
        raise ConfigurationError(Problem("EVENT_ID", "is missing", "name an event, or a file of ids with --ids"))
    if len(unique) > MAX_EVENTS:
        problem = Problem("EVENT_ID", f"there are more than {MAX_EVENTS:,} events", "prove them in several runs")
        raise ConfigurationError(problem)
    return unique


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield number and content of each line that is not empty."""
    try:
        with file.open("rb") as stream:
            content = stream.read(_MAX_FILE_BYTES + 1)
    except OSError as exc:
        problem = Problem("--ids", f"{file} cannot be read: {exc.strerror}", "check its path and its mode")
        raise ConfigurationError(problem) from exc
    if len(content) > _MAX_FILE_BYTES:
        problem = Problem("--ids", f"{file} is larger than {_MAX_FILE_BYTES:,} bytes", "list fewer events")
        raise ConfigurationError(problem)
    # What is not ASCII is no id; the line is named then.
    for number, line in enumerate(content.decode("ascii", "replace").split("\n"), start=1):
        if line.strip():
            yield number, line.strip()
