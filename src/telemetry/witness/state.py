"""Keeps what a witness saw in a SQLite file of mode 0600: streams, roots, positions, and its own log.

Nothing of it is trusted for itself: at start the log is compared with the newest roster that was published, and a state that
is absent is rebuilt from the rosters. A round is one transaction, so its work is proportional to what changed.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from telemetry.exceptions import ConfigurationError, FormatError, Problem
from telemetry.format.proof.merkle import Frontier
from telemetry.format.roster.entries import SealEntry, StreamEntry, parse_entry
from telemetry.format.roster.roster import Roster, encode_roster
from telemetry.system.durable_file import create_private
from telemetry.system.file_trust import find_fault
from telemetry.witness.schema import create_schema, upgrade_schema

MAX_ROOTS = 256
"""Roots that are kept of a stream, the newest; the rosters have those of every round."""
MAX_ROOTS_OF_ENDED = 16
"""The same of a stream that has ended."""

_SEAL = "seal"
"""Name of the fact that is the last leaf about the archive."""
_FORGET = (
    "DELETE FROM root WHERE producer = ? AND source = ? AND size < "
    "(SELECT size FROM root WHERE producer = ? AND source = ? ORDER BY size DESC LIMIT 1 OFFSET ?)"
)
_REMEDY = "name the witness's own state file; if it is lost, delete it: the witness rebuilds it from its rosters"


class Position(NamedTuple):
    """How far a partition was read.

    Attributes:
        low: First offset that was there.
        next: First offset that was not read.
        last: Offset of the last record that was read; -1 where it is not known.
        digest: SHA-256 of that record.
    """

    low: int
    next: int
    last: int = -1
    digest: bytes = b""


class WitnessState:
    """The state of a witness; one process has it open at a time.

    Args:
        path: The file; it is created with mode 0600 if it is absent.

    Attributes:
        path: The file.

    Raises:
        ConfigurationError: The file cannot be used, others could have written it, or another process uses it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._translated():
            is_new = _prepare(path)
            uri = f"{path.absolute().as_uri()}?mode=rw"
            self._connection = sqlite3.connect(uri, uri=True, timeout=0.0, isolation_level=None)
        try:
            with self._translated():
                self._open(is_new=is_new)
        except BaseException:
            self._connection.close()
            raise

    @property
    def log(self) -> Frontier:
        """The log of the witness; changes of the returned tree do not count."""
        with self._translated():
            return Frontier.from_bytes(bytes(self._connection.execute("SELECT tree FROM log").fetchone()[0]))

    @property
    def time(self) -> str:
        """Time of the newest roster; empty before the first."""
        with self._translated():
            return str(self._value("SELECT time FROM log"))

    def require(self, name: str, value: str) -> None:
        """Require a fact, such as the topic, to be what it was when the state was created.

        Raises:
            ConfigurationError: It is another.
        """
        with self._translated():
            self._connection.execute("INSERT OR IGNORE INTO fact VALUES (?, ?)", (name, value))
            known = self._value("SELECT value FROM fact WHERE name = ?", name)
        if known != value:
            reason = f"{self.path} is the state of a witness with another {name}"
            raise ConfigurationError(Problem("--state", reason, "give each witness a state file of its own"))

    def stream(self, producer: str, *, source: str) -> StreamEntry | None:
        """Return the last leaf about a stream; None for a new one."""
        with self._translated():
            text = self._value("SELECT entry FROM stream WHERE producer = ? AND source = ?", producer, source)
            entry = parse_entry(text) if isinstance(text, str) else None
        return entry if isinstance(entry, StreamEntry) else None

    def root(self, producer: str, *, source: str, size: int) -> bytes | None:
        """Return the root that was signed for a size of a stream; None if none was seen."""
        statement = "SELECT root FROM root WHERE producer = ? AND source = ? AND size = ?"
        with self._translated():
            root = self._value(statement, producer, source, size)
        return root if isinstance(root, bytes) else None

    def seal(self) -> SealEntry | None:
        """Return the last leaf about the archive that is watched; None before the first."""
        with self._translated():
            text = self._value("SELECT value FROM fact WHERE name = ?", _SEAL)
            entry = parse_entry(text) if isinstance(text, str) else None
        return entry if isinstance(entry, SealEntry) else None

    def positions(self) -> dict[int, Position]:
        """Return how far each partition was read."""
        with self._translated():
            rows = self._connection.execute("SELECT partition, low, next, last, digest FROM position").fetchall()
        return {partition: Position(*rest) for partition, *rest in rows}

    def bindings(self) -> dict[str, str]:
        """Return the source for which each key, by its label, was seen to sign first."""
        with self._translated():
            return dict(self._connection.execute("SELECT key, source FROM binding").fetchall())

    def pending(self) -> list[bytes]:
        """Return the rosters that were signed, and perhaps not published yet, in the order of the log."""
        with self._translated():
            rows = self._connection.execute("SELECT document FROM pending ORDER BY start").fetchall()
        return [bytes(document) for (document,) in rows]

    @contextmanager
    def changes(self) -> Iterator[Changes]:
        """Yield what collects the changes of a round; they are kept together, or none of them."""
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield Changes(self._connection)
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, *, is_new: bool) -> None:
        # The lock of the first write stays until the file is closed: one witness at a time.
        self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA trusted_schema = OFF")
        self._connection.execute("BEGIN EXCLUSIVE")
        if is_new:
            create_schema(self._connection)
        is_known = upgrade_schema(self._connection)
        self._connection.execute("COMMIT")
        if not is_known:
            reason = f"{self.path} is not a state that this version of the witness writes"
            raise ConfigurationError(Problem("--state", reason, _REMEDY))

    def _value(self, statement: str, *parameters: object) -> object:
        row = self._connection.execute(statement, parameters).fetchone()
        return None if row is None else row[0]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error, FormatError) as exc:
            reason = f"{self.path} cannot be used: {exc}"
            raise ConfigurationError(Problem("--state", reason, _REMEDY)) from exc


class Changes:
    """Writes the changes of one round.

    Args:
        connection: The state, inside a transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def put_streams(self, entries: Iterable[StreamEntry]) -> None:
        """Keep the last leaf about each of these streams."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO stream VALUES (?, ?, ?)",
            ((entry.producer, entry.source, str(entry)) for entry in entries),
        )

    def put_roots(self, roots: Iterable[tuple[str, str, int, bytes]]) -> None:
        """Keep roots that were signed: producer, source, size and root."""
        self._connection.executemany("INSERT OR IGNORE INTO root VALUES (?, ?, ?, ?)", roots)

    def forget_roots(self, entries: Iterable[StreamEntry]) -> None:
        """Forget the oldest roots of these streams, so that a state does not grow with every checkpoint for ever.

        A second root for a size that is forgotten is still found in a verification with the rosters.
        """
        for entry in entries:
            most = MAX_ROOTS_OF_ENDED if entry.is_closed else MAX_ROOTS
            stream = entry.producer, entry.source
            self._connection.execute(_FORGET, (*stream, *stream, most - 1))

    def put_seal(self, entry: SealEntry | None) -> None:
        """Keep the last leaf about the archive that is watched; None changes nothing."""
        if entry is not None:
            self._connection.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (_SEAL, str(entry)))

    def put_positions(self, positions: Iterable[tuple[int, Position]]) -> None:
        """Keep how far partitions were read."""
        rows = ((partition, *position) for partition, position in positions)
        self._connection.executemany("INSERT OR REPLACE INTO position VALUES (?, ?, ?, ?, ?)", rows)

    def put_bindings(self, bindings: Iterable[tuple[str, str]]) -> None:
        """Keep for which source each key was seen to sign first: label and source."""
        self._connection.executemany("INSERT OR IGNORE INTO binding VALUES (?, ?)", bindings)

    def put_log(self, tree: Frontier, time: str, pending: Sequence[Roster] = ()) -> None:
        """Keep the log, and the rosters that are to be published."""
        self._connection.execute("UPDATE log SET tree = ?, time = ?", (tree.to_bytes(), time))
        rows = ((roster.start, encode_roster(roster)) for roster in pending)
        self._connection.executemany("INSERT INTO pending VALUES (?, ?)", rows)

    def forget_pending(self) -> None:
        """Forget the rosters that were published."""
        self._connection.execute("DELETE FROM pending")


def _prepare(path: Path) -> bool:
    """Create the file if it is absent; return whether it was.

    Raises:
        ConfigurationError: Others could have written it.
        OSError: It cannot be created.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise ConfigurationError(Problem("--state", f"{path} is not a regular file", _REMEDY))
        fault = find_fault(path)
        if fault is not None:
            raise ConfigurationError(Problem("--state", str(fault), fault.remedy))
        # A file that was created and never written, because the witness was killed, is as good as none.
        return path.stat().st_size == 0
    os.close(create_private(path))
    return True
