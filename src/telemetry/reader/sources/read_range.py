"""Defines which part of a topic is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from telemetry.exceptions import ConfigurationError, Problem

MAX_GROUP = 249
"""Characters of the name of a consumer group, as of a topic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRange:
    """The part of a topic that is read.

    Attributes:
        since: Earliest time by Kafka's timestamps, in seconds since the epoch; None for the beginning.
        until: Latest time by Kafka's timestamps; later records are not fetched.
        offset: First offset in every partition; takes precedence over ``since``.
        starts: First offsets by partition; a partition that is not named is read from its beginning.
        end_offset: End of the range in every partition; this offset itself is not read.
        ends: Ends of the range by partition; of a partition that is not named nothing is read. Takes precedence over
            ``end_offset``.
        last: Only about this many records at the end.
        follow: Wait for new records, without end.
        group: Continue where this consumer group stopped; where it has not been yet, as if there were none. An offset is
            committed when the entry after its record is asked for. One reader at a time may read for a group.
        confirmed: With a group: an offset is committed when ``Trail.confirm`` was called for its entry, and for all before it.

    Raises:
        ConfigurationError: The name of the group is empty or too long.
    """

    since: float | None = None
    until: float | None = None
    offset: int | None = None
    starts: Mapping[int, int] | None = None
    end_offset: int | None = None
    ends: Mapping[int, int] | None = None
    last: int | None = None
    follow: bool = False
    group: str | None = None
    confirmed: bool = False

    def __post_init__(self) -> None:
        if self.group is not None and not _is_group(self.group):
            reason = f"has not 1 to {MAX_GROUP} printable characters, or a space at an end"
            raise ConfigurationError(Problem("group", reason, "name the program that reads"))


def _is_group(name: str) -> bool:
    # Kafka's client ends the process for a blank name, and takes a NUL for the end of it.
    return 0 < len(name) <= MAX_GROUP and name.isprintable() and name == name.strip()
