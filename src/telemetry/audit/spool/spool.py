"""Makes accepted events survive the process: group commit of sealed records, each stream's to a file of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence

from telemetry.audit.accept.room import Room
from telemetry.audit.producer import ProducerTree
from telemetry.audit.record import SealedRecord
from telemetry.audit.spool.disk_state import DiskState
from telemetry.audit.spool.folder_state import FolderState
from telemetry.audit.spool.segment import SpoolSegment
from telemetry.audit.spool.stream.kept_bytes import KeptBytes
from telemetry.audit.spool.stream.segments import Segments
from telemetry.audit.spool.stream.settled_prefix import SettledPrefix
from telemetry.audit.spool.stream.spooled_stream import CommittedQueue, SpooledStream
from telemetry.exceptions import SpoolError
from telemetry.system.deadline import Deadline
from telemetry.system.worker import Worker

logger = logging.getLogger("telemetry.spool")

_PROGRESS_SECONDS = 0.5
"""How long settled records may stay unrecorded on disk while no new ones arrive."""
_BUSY_ROUND_SECONDS = 5.0
"""The same while there is always something to commit: a note of progress is a commit of its own."""
_JOIN_SECONDS = 10.0
_CREATOR_SHARE = 0.2
_TURN = 500
"""Records of one stream that are committed while others wait: about as much as a disk writes in ten milliseconds."""


class Spool:
    """The spool thread: many events, one synchronisation with the disk.

    Streams that have records to commit wait for their turn; each is committed with all that it has by then.

    Args:
        lock: The intakes' lock.
        room: Room of accepted events; the spool withholds in it what settled records still occupy in the files.
        max_kept_bytes: How many settled bytes may stay on disk after records that are not settled.
        state: Remembers the trees with which streams ended; None where nothing is remembered.
        is_shared: Whether there are many streams: then each one commits a bounded number of records in its turn.
    """

    # attributes: the thread, its streams, and what they share
    def __init__(
        self,
        *,
        lock: threading.Lock,
        room: Room,
        max_kept_bytes: int = 1 << 60,
        state: FolderState | None = None,
        is_shared: bool = False,
    ) -> None:
        self._most_in_turn = _TURN if is_shared else None
        self._lock = lock
        self._changed = threading.Condition(lock)
        self._kept = KeptBytes(room, most=max_kept_bytes)
        self._state = state
        self._disk = DiskState()
        # Changed under the lock; the thread iterates over copies.
        self._streams: list[SpooledStream] = []
        self._ending: list[SpooledStream] = []
        self._dirty: deque[SpooledStream] = deque()
        self._current: SpooledStream | None = None
        self._asleep = False
        self._round_at = 0.0
        self._is_round_due = False
        self._without_file: deque[SpooledStream] = deque()
        self._creator = Worker("telemetry-spool-files", self._create_files) if is_shared else None
        self._worker = Worker("telemetry-spool", self._run)
        self._worker.start()
        if self._creator is not None:
            self._creator.start()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(stream.size for stream in list(self._streams))

    @property
    def is_accepting(self) -> bool:
        """Whether its last commit succeeded, and its thread runs."""
        return self._worker.is_alive and not self._disk.is_broken

    @property
    def busy_since(self) -> float | None:
        """Since when the disk works on a commit, in monotonic seconds; None while it does not."""
        return self._disk.busy_since

    @property
    def ending(self) -> int:
        """How many streams have ended and still have a file."""
        return len(self._ending)

    def open_stream(
        self, tree: ProducerTree, segments: Segments, *, queue: CommittedQueue, segment: SpoolSegment | None = None
    ) -> SpooledStream:
        """Return the spool's part of a stream.

        Args:
            tree: The producer's tree.
            segments: Create its segment.
            queue: Accepts its committed records.
            segment: Its segment; default: one is created with the first record.
        """
        stream = SpooledStream(
            self,
            lock=self._lock,
            source=segments,
            queue=queue,
            tree=tree,
            settled=SettledPrefix(self._kept),
            disk=self._disk,
            segment=segment,
            most=self._most_in_turn,
        )
        with self._changed:
            self._streams.append(stream)
        return stream

    def end_stream(self, stream: SpooledStream) -> None:
        """Delete the file of a stream, to which nothing is added any more, once everything in it is settled."""
        with self._changed:
            self._ending.append(stream)
            self._wake()

    def note_dirty(self, stream: SpooledStream) -> None:
        """Commit this stream's records soon; the lock is held."""
        self._dirty.append(stream)
        self._wake()

    def save(self, records: Sequence[SealedRecord]) -> None:
        """Commit records that went on uncommitted and that nothing accepted before the process ends."""
        if not records or self._worker.is_alive:
            return
        groups: dict[str, list[SealedRecord]] = {}
        for record in records:
            groups.setdefault(record.producer, []).append(record)
        for stream in list(self._streams):
            group = groups.get(stream.producer)
            if group:
                stream.save(group)

    def close(self) -> int:
        """Commit what is there and end; delete the files of which everything is settled.

        Returns:
            How many records stay in files for the next process.
        """
        if not self._worker.is_stopping:
            self.stop()
        may_write = not self._worker.is_alive
        self._note_ended(self._streams)
        return sum(stream.close(note_progress=may_write) for stream in list(self._streams))

    def stop(self, timeout: float = _JOIN_SECONDS) -> None:
        """Commit what is there, pass it on, and end the thread; the segments stay open for acknowledgements.

        Args:
            timeout: Seconds after which records continue uncommitted.
        """
        deadline = Deadline(timeout)
        if self._creator is not None:
            # The file that it creates is finished; those after it are created by the spool's thread.
            self._creator.stop(timeout * _CREATOR_SHARE)
        with self._changed:
            self._dirty.extend(self._without_file)
            self._without_file.clear()
            self._worker.ask_to_stop()
            self._changed.notify_all()
        has_ended = self._worker.join(deadline.remaining)
        with self._changed:
            self._dirty.clear()
            stuck = [(stream, records) for stream in self._streams if (records := stream.take_stuck())]
        if not stuck:
            return
        why = (
            "the spool's thread ended because of an unexpected error"
            if has_ended
            else "the spool's disk does not answer"
        )
        count = sum(len(records) for _, records in stuck)
        logger.error("%s, %d events continue unspooled; check the disk and the log", why, count)
        for stream, records in stuck:
            stream.pass_on_stuck(records)

    def _wake(self) -> None:
        # Notifying costs a system call, so it is done only for a thread that sleeps.
        if self._asleep:
            self._asleep = False
            self._changed.notify()

    def _run(self) -> None:
        try:
            while self._waited():
                if self._current is not None:
                    self._current.commit()
                    self._current = None
                elif self._is_round_due:
                    self._is_round_due = False
                    self._round()
        except BaseException as exc:  # noqa: BLE001 - whatever it is: without this thread the events would wait for ever
            self._go_on_unspooled(exc)

    def _go_on_unspooled(self, error: BaseException) -> None:
        """Pass records on as if the disk had failed for good, after an error that nobody foresaw."""
        # Only its class: an error that nobody knows may quote anything.
        self._disk.note_failure(SpoolError(f"its thread met an unexpected {type(error).__name__}; restart the process"))
        # First those that the error found in hand.
        while self._current is not None or self._waited():
            if self._current is not None:
                self._current.pass_on_unspooled()
                self._current = None

    def _waited(self) -> bool:
        """Wait for something to do: the records of the current stream, or else a round; return False when the thread should end."""
        with self._changed:
            if not self._dirty and not self._worker.is_stopping:
                self._asleep = True
                self._changed.wait(_PROGRESS_SECONDS if self._has_rounds else None)
                self._asleep = False
            now = time.monotonic()
            # One stream that always has something to commit needs no round: each commit notes its progress.
            if not self._dirty or (len(self._streams) > 1 and now >= self._round_at):
                self._round_at = now + _BUSY_ROUND_SECONDS
                self._is_round_due = True
            else:
                self._take_turn(self._dirty.popleft())
            return bool(self._dirty) or self._current is not None or not self._worker.is_stopping

    def _take_turn(self, stream: SpooledStream) -> None:
        """Make a stream the current one, or have its file created first; the lock is held."""
        creator = self._creator
        if creator is not None and not creator.is_stopping and stream.lacks_file:
            # That takes several synchronisations, and many streams may begin at once.
            self._without_file.append(stream)
            creator.wake()
            return
        self._current = stream
        stream.take()

    def _create_files(self) -> None:
        creator = self._creator
        while creator is not None and not creator.is_stopping:
            with self._changed:
                stream = self._without_file.popleft() if self._without_file else None
            if stream is None:
                creator.pause()
                continue
            stream.create_file()
            with self._changed:
                self._dirty.append(stream)
                self._wake()

    @property
    def _has_rounds(self) -> bool:
        return self._disk.is_broken or bool(self._ending) or any(stream.may_progress for stream in self._streams)

    def _round(self) -> None:
        """Look after the streams that have nothing to commit: what is settled, and whose file can go."""
        if self._disk.is_broken:
            self._try_again()
            return
        ended = [stream for stream in list(self._ending) if stream.is_settled]
        self._note_ended(ended)
        for stream in ended:
            stream.close(note_progress=False)
            with self._changed:
                self._ending.remove(stream)
                self._streams.remove(stream)
        is_idle = not self._dirty
        for stream in list(self._streams):
            stream.note_progress(is_idle=is_idle)

    def _note_ended(self, streams: Sequence[SpooledStream]) -> None:
        """Remember the ends of those streams whose files are about to be deleted."""
        trees = [tree for stream in list(streams) if (tree := stream.ended_tree) is not None]
        if self._state is not None and trees:
            self._state.note_ended(*trees)

    def _try_again(self) -> None:
        """Try a broken disk without records: while the queue is full, none may come that would find out."""
        if self._disk.may_try and self._streams:
            self._streams[0].try_the_disk()
