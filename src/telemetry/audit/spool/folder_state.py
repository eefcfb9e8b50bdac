"""Remembers of a spool folder since when this version works on it, and with which tree each stream ended.

By the first a service knows for how long it accepts segments that an earlier version left. By the second it recognizes an
older copy of a segment that somebody has put back: it does not sign the end of a stream where the stream did not end.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import os
import stat
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from telemetry.audit.producer import TreeState
from telemetry.encryption.storage_secret import StorageSecret, StorageSecrets
from telemetry.exceptions import SpoolError
from telemetry.system.durable_file import write_durably

if sys.platform != "win32":
    import fcntl

logger = logging.getLogger("telemetry.spool")

STATE_NAME = ".state"
ACCEPTED_SECONDS = 30 * 86_400.0
"""How long after an upgrade segments without seals are accepted, unless ``accept_unmarked_until`` says otherwise."""

_REMEMBERED_SECONDS = 30 * 86_400.0
_MAX_ENDED = 500
_MAX_BYTES = 1 << 20
_PURPOSE = b"spool state"
_SALT = hashlib.sha256(b"telemetry spool state v1").digest()
_READ_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))


class _Ended(msgspec.Struct, array_like=True):
    """The end of a stream.

    Attributes:
        producer: The stream.
        size: Number of its records.
        frontier: The tree over them.
        signed_at: Time of its last checkpoint in microseconds since the epoch.
        at: When it was settled, Unix time.
    """

    producer: str
    size: int
    frontier: bytes
    signed_at: int
    at: float


class _Content(msgspec.Struct):
    """First line of the file; the second is its MAC."""

    first_seen: float
    ended: list[_Ended] = []


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Content).decode


class FolderState:
    """The file ``.state`` of a spool folder, which the processes of a service share.

    Its MAC is made with the storage secret. Anyone who may delete it begins the time of acceptance anew, and has older
    copies of segments called recovered; nobody makes the service sign anything by it. Where there is no secret, it has no
    MAC, and no stream that ended.

    Args:
        folder: The spool folder.
        secrets: Storage secrets of the service.
        until: Until when segments without seals are accepted; None for 30 days after the file was first written.

    Raises:
        SpoolError: The file cannot be written, or its name is taken by something else.
    """

    def __init__(self, folder: Path, secrets: StorageSecrets, *, until: datetime | None = None) -> None:
        self._folder = folder
        self._path = folder / STATE_NAME
        self._secrets = secrets
        try:
            with self._locked():
                self._remove_leftovers()
                content = self._read()
                if content is None:
                    content = _Content(time.time())
                    self._write(content)
        except OSError as exc:
            message = f"{self._path} cannot be written: {exc.strerror}; look at it, then delete it"
            raise SpoolError(message) from exc
        self._ended = {ended.producer: ended for ended in content.ended}
        over = content.first_seen + ACCEPTED_SECONDS
        if until is not None:
            over = (until if until.tzinfo is not None else until.replace(tzinfo=UTC)).timestamp()
        self._unmarked_until = over

    def is_unmarked_over(self) -> bool:
        """Return whether segments without seals are no longer accepted."""
        return time.time() >= self._unmarked_until

    def ended(self, producer: str) -> TreeState | None:
        """Return the tree with which a stream ended; None where that is not known."""
        ended = self._ended.get(producer)
        if ended is None:
            return None
        # A checkpoint of it has no interval: everything was signed before.
        return TreeState(
            producer,
            ended.size,
            ended.frontier,
            ended.size,
            ended.frontier,
            leaves_from=ended.size,
            signed_at=ended.signed_at,
        )

    def note_ended(self, *trees: TreeState) -> None:
        """Remember the trees of streams of which nothing is left to be sent."""
        ended = [tree for tree in trees if tree.size]
        if self._secrets.current is None or not ended:
            return
        try:
            with self._locked():
                content = self._read() or _Content(time.time())
                for tree in ended:
                    content.ended = [*_remembered(content.ended, tree)]
                self._write(content)
        except OSError as exc:
            logger.warning(
                "%s cannot be written, so an old copy of a segment may be called recovered: %s", self._path, exc
            )

    def _read(self) -> _Content | None:
        try:
            data = _own_bytes(self._path)
        except FileNotFoundError:
            return None
        line, _, mac = data.partition(b"\n")
        if self._is_authentic(line, mac):
            with contextlib.suppress(ValueError):  # a msgspec error is one, too
                return _decode(line)
        logger.warning(
            "%s was altered and is written anew; segments of an earlier version are accepted from now on", self._path
        )
        return None

    def _is_authentic(self, line: bytes, mac: bytes) -> bool:
        if self._secrets.current is None:
            return not mac
        # A replica may still have a former secret in use.
        return any(hmac.compare_digest(mac, self._mac(secret, line)) for secret in self._secrets)

    def _write(self, content: _Content) -> None:
        line = _encode(content)
        write_durably(self._path, line + b"\n" + self._mac(self._secrets.current, line), replace=True)

    def _mac(self, secret: StorageSecret | None, line: bytes) -> bytes:
        return b"" if secret is None else hmac.digest(secret.derive(_PURPOSE, _SALT), line, "sha256").hex().encode()

    def _remove_leftovers(self) -> None:
        # Each writer has the lock, except on Windows. So a temporary file is one of a process that was killed.
        for part in self._folder.glob(f".{STATE_NAME}.*.part") if sys.platform != "win32" else ():
            with contextlib.suppress(OSError):
                part.unlink()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if sys.platform == "win32":
            yield
            return
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            # A process that forks meanwhile has the descriptor too: closing ours alone would not release the lock.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)


def _remembered(ended: list[_Ended], tree: TreeState) -> Iterator[_Ended]:
    """Yield what is remembered from now on: the streams that ended last, and of each its largest tree."""
    now, size, frontier, signed_at = time.time(), tree.size, tree.frontier, tree.signed_at
    others = [each for each in ended if each.producer != tree.producer and each.at > now - _REMEMBERED_SECONDS]
    yield from others[-(_MAX_ENDED - 1) :]
    for same in ended:
        if same.producer == tree.producer and same.size > size:
            size, frontier, signed_at = same.size, same.frontier, same.signed_at
    yield _Ended(tree.producer, size, frontier, signed_at, now)


def _own_bytes(path: Path) -> bytes:
    """Return the bytes of a regular file of ours, up to a bound; an empty text for one that is none."""
    try:
        descriptor = os.open(path, _READ_FLAGS)
    except FileNotFoundError:
        raise
    except OSError:
        return b""
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
            return b""
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(_MAX_BYTES)
    finally:
        os.close(descriptor)
