"""Defines what is asked of an evidence pack: which events, with or without their content, by which person and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from telemetry.evidence.pack.manifest import MAX_EVENTS
from telemetry.evidence.pack.sample import Sample
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.format.uuid7 import is_uuid
from telemetry.reader import EventFilter, ReadRange

if TYPE_CHECKING:
    from telemetry.archive.reading.trail_place import ArchivePlace

_MAX_TEXT = 1_000
_MAX_REQUEST_BYTES = 256 << 10
"""What fits into the event that records the read, beside everything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRequest:
    """What is asked of a pack.

    Attributes:
        wanted: Selects the events; empty for all of them.
        ids: Exactly these events instead, at most 1,000; then ``wanted`` is empty, and nothing is sampled.
        sample: Draws some of the selected events; None for all, which may be 1,000.
        content: Whether the content of the events is in the pack. Without it they stay sealed, no key is needed, and they can
            only be selected by id and by the time of logging.
        reader: Person who asks; default: the user of the operating system, who is recorded in any case.
        reason: Why, such as the number of a ticket.
        file: A copy of the trail that is read instead of topic and store.
        archive: An archive that is read instead.
        within: The part of the topic in which the selected events can be; the proofs are looked for in all of it.
        live: Seconds since the last checkpoint up to which a producer counts as running in the report on the whole trail.
        program: Program that writes the pack, for the records.

    Raises:
        ConfigurationError: The members contradict each other, or one of them is malformed.
    """

    wanted: EventFilter = field(default_factory=EventFilter)
    ids: tuple[str, ...] = ()
    sample: Sample | None = None
    content: bool = True
    reader: str | None = None
    reason: str | None = None
    file: Path | None = None
    archive: ArchivePlace | None = None
    within: ReadRange | None = None
    live: float = 0.0
    program: str = "telemetry evidence"

    def __post_init__(self) -> None:
        problems = [*self._contradictions(), *self._malformed()]
        if problems:
            raise ConfigurationError(*problems)

    @property
    def filter(self) -> EventFilter:
        """The filter of the events, also where they were named one by one."""
        return EventFilter(ids=frozenset(self.ids)) if self.ids else self.wanted

    def describe(self, *, with_text: bool) -> dict[str, Any]:
        """Return what selects the events, for the manifest and for the record of the read.

        Args:
            with_text: Include what was searched for in the content; otherwise only the fact that something was.
        """
        filters = self.wanted.describe(with_text=with_text)
        # The ids are in the manifest already, and may be too many for one event.
        return {**filters, "ids": len(self.ids)} if self.ids else filters

    def _contradictions(self) -> list[Problem]:
        problems = []
        if self.ids and self.wanted != EventFilter():
            problems.append(Problem("ids", "names the events, and a filter selects others", "leave one of them out"))
        if self.ids and self.sample is not None:
            problems.append(Problem("sample", "draws events, and ids names them", "leave one of them out"))
        if not self.content and self.wanted != EventFilter(
            ids=self.wanted.ids, since=self.wanted.since, until=self.wanted.until
        ):
            reason = "is off, so events can only be selected by id and by the time of logging"
            problems.append(Problem("content", reason, "leave out the other filters, or include the content"))
        return problems

    def _malformed(self) -> list[Problem]:
        problems = []
        if len(self.ids) > MAX_EVENTS:
            problems.append(Problem("ids", f"names more than {MAX_EVENTS:,} events", "write several packs"))
        if len(set(self.ids)) < len(self.ids) or not all(map(is_uuid, self.ids)):
            problems.append(Problem("ids", "are not ids of events, each once", "copy them from `tail --json`"))
        for name, text in (("reader", self.reader), ("reason", self.reason)):
            if text is not None and len(text) > _MAX_TEXT:
                problems.append(Problem(name, f"is longer than {_MAX_TEXT:,} characters", "shorten it"))
        texts = [self.reader, self.reason, self.program, self.wanted.describe(with_text=True)]
        try:
            size = len(msgspec.json.encode(texts))
        except UnicodeEncodeError:
            problems.append(
                Problem("events", "reader, reason or filters are not UTF-8", "check the terminal's encoding")
            )
        else:
            if size > _MAX_REQUEST_BYTES:
                problems.append(Problem("events", "the filters are too long", "use fewer, or name the events with ids"))
        return problems
