"""Writes and reads where a topic ended for an export, so that another one can end there too."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.reader.sources.source import Source

_END = re.compile(r"(?:([A-Za-z0-9._-]{1,249}):)?((?:\d{1,10}=\d{1,19},)*\d{1,10}=\d{1,19})", re.ASCII)
_MAX_CHARACTERS = 1 << 18


def end_of(sources: Sequence[Source]) -> str:
    """Return where the topic ended for a read; empty if anything else was read, which cannot be read again as it was."""
    bounds = getattr(sources[0], "bounds", None) if len(sources) == 1 else None
    if not bounds:
        return ""
    topic = getattr(sources[0], "topic", "")
    return f"{topic}:" + ",".join(f"{partition}={end}" for partition, (_, end) in sorted(bounds.items()))


def parse_end(text: str, *, topic: str) -> Mapping[int, int]:
    """Return the end offset of each partition.

    Args:
        text: ``TOPIC:0=123,1=456``, also without the topic, or ``@FILE`` with such a text in it.
        topic: The topic that is read.

    Raises:
        ConfigurationError: The text is not such an end, or is that of another topic; or the file cannot be read.
    """
    if text.startswith("@"):
        text = _read(Path(text[1:]))
    match = _END.fullmatch(text.strip()) if len(text) <= _MAX_CHARACTERS else None
    if match is None:
        remedy = "copy it from the last line of an export, or name the file that --ends wrote as @FILE"
        raise ConfigurationError(Problem("--end", "is not TOPIC:PARTITION=OFFSET,...", remedy))
    if match[1] not in (None, topic):
        raise ConfigurationError(
            Problem("--end", f"is of topic {match[1]}, and {topic} is read", "name the same topic")
        )
    ends: dict[int, int] = {}
    for part in match[2].split(","):
        partition, _, offset = part.partition("=")
        if int(partition) in ends:
            raise ConfigurationError(Problem("--end", f"names partition {partition} twice", "name it once"))
        ends[int(partition)] = int(offset)
    return ends


def _read(file: Path) -> str:
    try:
        with file.open(encoding="ascii", errors="replace") as stream:
            return stream.read(_MAX_CHARACTERS + 1)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or "is not the name of a file"
        raise ConfigurationError(Problem("--end", f"{file} cannot be read: {reason}", "name a file of --ends")) from exc
