"""Says what the explorer reads, and which options of the command say the same."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is read.

    Attributes:
        topic: Name of the topic that is read; empty if it is not.
        has_fallback: Whether the fallback store is read too.
        file: File that is read instead; None otherwise.
        archive: What an archive is called that is read instead; empty otherwise.
        since: Time of the earliest events that are read, as it was written; empty for the beginning.
        until: Time of the latest ones; empty for no end.
        options: Options of the command that say where the trail is and who is trusted, for the command lines that are shown.
        is_sealed: Whether nothing is opened.
        reason: Reason that was given at the start, which the browser proposes.
    """

    topic: str = ""
    has_fallback: bool = False
    file: Path | None = None
    archive: str = ""
    since: str = ""
    until: str = ""
    options: Sequence[str] = ()
    is_sealed: bool = False
    reason: str = ""

    @property
    def where(self) -> str:
        """What is read, in words."""
        if self.file is not None:
            return f"file {self.file.name}"
        if self.archive:
            return f"archive {self.archive}"
        stores = [f"topic {self.topic}"] if self.topic else []
        stores += ["the fallback store"] if self.has_fallback else []
        return " and ".join(stores)

    def describe(self) -> list[dict[str, Any]]:
        """Return what is read, for the event that records who reads it."""
        if self.file is not None:
            return [{"kind": "file", "path": str(self.file)}]
        if self.archive:
            return [{"kind": "archive", "archive": self.archive}]
        times = {name: text for name, text in (("since", self.since), ("until", self.until)) if text}
        store = [{"kind": "fallback"}] if self.has_fallback else []
        return [*store, {"kind": "topic", "topic": self.topic, **times}] if self.topic else store

    def options_beside(self, names: Container[str]) -> list[str]:
        """Return the options of a command that reads the same, with filters of these names beside them."""
        times = {"since": self.since, "until": self.until}
        return [*self.options, *(f"--{name}={text}" for name, text in times.items() if text and name not in names)]
