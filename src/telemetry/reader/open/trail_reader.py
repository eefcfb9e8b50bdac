"""Reads one stream of entries from any source, opened and without duplicates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from itertools import islice

from telemetry.encryption import EncryptionProvider
from telemetry.reader.entry import DamagedRecord, Entry, OpenedEvent, RawRecord, SealedEntry
from telemetry.reader.open.duplicates import Duplicates
from telemetry.reader.open.opener import RecordOpener
from telemetry.reader.open.patient import PATIENCE_SECONDS, PatientOpener

_ASYNC_CHUNK = 256


class TrailReader:
    """Reads a trail; iterate it with ``for`` or ``async for``.

    Args:
        source: Raw records: a ``KafkaSource``, a ``FallbackSource``, a ``FileSource``, or several in a row.
        provider: Unwraps data keys; None leaves events sealed.
        duplicates: Also yield the duplicates of events that were delivered more than once.
        patience: Seconds after the end of the source in which records are still opened that had to wait because too many
            forged ones came before; the rest is yielded as not opened.

    Attributes:
        duplicates_dropped: Number of records that were not yielded because their event was yielded before.
        damaged: Number of damaged records that were yielded.
    """

    def __init__(
        self,
        source: Iterable[RawRecord | DamagedRecord],
        *,
        provider: EncryptionProvider | None,
        duplicates: bool = False,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._source = source
        self._opener = RecordOpener(provider)
        self._opening = PatientOpener(self._opener, seconds=patience)
        self._seen = None if duplicates else Duplicates()
        self.duplicates_dropped = 0
        self.damaged = 0

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries; a damaged record is an entry too and does not end the stream."""
        for entry in self._opening.entries(self._source):
            if isinstance(entry, DamagedRecord):
                self.damaged += 1
            elif not self._remember(entry):
                self.duplicates_dropped += 1
                continue
            yield entry

    async def __aiter__(self) -> AsyncGenerator[Entry]:
        """Yield the entries; another thread waits for Kafka, the store and the key service."""
        entries = iter(self)
        # One by one from an endless source: a chunk would keep an entry back until the next ones arrive.
        most = 1 if getattr(self._source, "is_endless", False) else _ASYNC_CHUNK
        while True:
            step = asyncio.ensure_future(asyncio.to_thread(_next_entries, entries, most))
            try:
                chunk = await asyncio.shield(step)
            except asyncio.CancelledError:
                # The thread still uses the source, and the caller closes it next: wait until the thread has left it.
                self.stop()
                await asyncio.wait([step])
                raise
            if not chunk:
                return
            for entry in chunk:
                yield entry

    def stop(self) -> None:
        """End an endless stream soon; can be called from any thread."""
        self._opening.stop()
        stop = getattr(self._source, "stop", None)
        if stop is not None:
            stop()

    def close(self) -> None:
        """Forget the data keys."""
        self._opener.close()

    def _remember(self, entry: Entry) -> bool:
        if self._seen is None:
            return True
        if isinstance(entry, OpenedEvent):
            # Anyone who may write to the topic can write events that are not sealed: they must not displace sealed ones.
            stream = entry.event.producer if entry.sealed else f"{entry.event.producer} in the clear"
            return self._seen.add(stream, entry.event.sequence)
        if isinstance(entry, SealedEntry):
            return self._seen.add(entry.producer, entry.sequence)
        return True


def _next_entries(entries: Iterator[Entry], most: int) -> list[Entry]:
    return list(islice(entries, most))
