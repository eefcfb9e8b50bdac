"""Reads one stream of entries from any source: opened, without copies, and each with what it is worth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from itertools import islice

from telemetry.encryption import EncryptionProvider
from telemetry.format.value.disclosure import Disclosure
from telemetry.format.value.subject.content import SubjectFinder
from telemetry.reader.entry import Entry, OpenedEvent, Proven, SourceRecord
from telemetry.reader.open.opener import RecordOpener
from telemetry.reader.open.patient import PATIENCE_SECONDS, PatientOpener
from telemetry.reader.open.rules import ReadCounts, ReadingRules
from telemetry.reader.open.sifting import EntrySieve
from telemetry.reader.proof.index import ProofIndex
from telemetry.reader.proof.places import StreamPlace
from telemetry.reader.proof.proof_wait import ProofWait
from telemetry.reader.proof.ticking import TickingSource
from telemetry.reader.sources.source import GroupedSource

_ASYNC_CHUNK = 256


class TrailReader:
    """Reads a trail; iterate it with ``for`` or ``async for``.

    Args:
        source: Raw records: a ``KafkaSource``, a ``FallbackSource``, a ``FileSource``, or several in a row.
        provider: Unwraps data keys; None leaves events sealed.
        duplicates: Also yield the copies of records that were delivered more than once.
        rules: What else is shown; by default everything but copies and repeats.
        patience: Seconds after the end of the source in which records are still opened that had to wait because too many
            forged ones came before; the rest is yielded as not opened.
        subjects: Finds the keys of subjects; None where no store of them is configured.
    """

    def __init__(
        self,
        source: Iterable[SourceRecord],
        *,
        provider: EncryptionProvider | None,
        duplicates: bool = False,
        rules: ReadingRules | None = None,
        patience: float = PATIENCE_SECONDS,
        subjects: SubjectFinder | None = None,
    ) -> None:
        self._source = source
        self._opener = RecordOpener(provider, subjects=subjects)
        self._opening = PatientOpener(self._opener, seconds=patience)
        rules = rules or ReadingRules(duplicates=duplicates)
        self._is_confirmed = bool(getattr(source, "is_confirmed", False))
        self._group: GroupedSource | None = None
        self._index = ProofIndex(rules.policy, self._opener) if rules.policy is not None else None
        self._wait = ProofWait(self._index, seconds=rules.proof_wait) if self._index is not None else None
        self._ticking: TickingSource | None = None
        self._sieve = EntrySieve(rules, self._index)

    @property
    def counts(self) -> ReadCounts:
        """What was found so far."""
        return self._sieve.counts

    @property
    def duplicates_dropped(self) -> int:
        """How many records were not yielded because the same record was yielded before."""
        return self._sieve.counts.copies

    @property
    def damaged(self) -> int:
        """How many damaged records were yielded."""
        return self._sieve.counts.damaged

    def judge(self, place: StreamPlace) -> tuple[Proven, str | None]:
        """Return what a record is worth by now, and the gateway that logged it; in the thread that reads the entries.

        Args:
            place: The place that it claims, and its leaf hash.

        Raises:
            StorageError: What is signed was written to the disk, and cannot be read.
        """
        if self._index is None:
            return Proven.NOT_JUDGED, None
        proven = self._index.judge(place) or Proven.PENDING
        return proven, self._index.via(place) if proven is Proven.YES else None

    @property
    def judgements(self) -> int:
        """A number that rises whenever :meth:`judge` may have another answer."""
        return self._index.changes if self._index is not None else 0

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries; a damaged record is an entry too and does not end the stream.

        Raises:
            StorageError: What must be remembered does not fit into memory, and cannot be written to the disk.
        """
        self._group = self._source if isinstance(self._source, GroupedSource) and self._source.await_done() else None
        for entry in self._opening.entries(self._records()):
            is_shown = False
            for shown in self._sieve.sift(entry):
                is_shown = True
                yield shown
            # The next one is asked for, so this one was used.
            if not (is_shown and self._is_confirmed):
                self.confirm(entry)
        yield from self._sieve.finish()

    def disclose(self, opened: OpenedEvent) -> Disclosure | None:
        """Return the content of an event for others to check; results and errors as :meth:`RecordOpener.disclose`.

        Args:
            opened: An event that this reader has yielded; the reader is still open.
        """
        return self._opener.disclose(opened.raw)

    def confirm(self, entry: Entry) -> None:
        """Note that an entry was used, so that a consumer group continues after it; can be called from any thread."""
        if self._group is not None:
            self._group.done(entry.place)

    async def __aiter__(self) -> AsyncGenerator[Entry]:
        """Yield the entries; another thread waits for Kafka, the store and the key service."""
        entries = iter(self)
        # One by one from an endless source: a chunk would keep an entry back until the next ones arrive. For a group, too:
        # an entry counts as used when the next one is asked for.
        is_single = getattr(self._source, "is_endless", False) or getattr(self._source, "has_group", False)
        most = 1 if is_single else _ASYNC_CHUNK
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
        """Forget the data keys, and what was seen; no thread uses the source any more."""
        if self._ticking is not None:
            self._ticking.stop()
        self._opener.close()
        self._sieve.close()
        if self._index is not None:
            self._index.close()
        if self._wait is not None:
            self._wait.close()

    def _records(self) -> Iterable[SourceRecord]:
        """Return the records, each one held back until it can be judged if that is wanted."""
        if self._wait is None:
            return self._source
        if self._wait.has_limit and getattr(self._source, "is_endless", False):
            # A record must not wait for the next one.
            self._ticking = TickingSource(self._source)
            return self._wait.records(self._ticking)
        return self._wait.records(self._source)


def _next_entries(entries: Iterator[Entry], most: int) -> list[Entry]:
    return list(islice(entries, most))
