"""Decides until when a replay accepts objects that have no mark of this service, because an earlier version stored them."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import time
from datetime import UTC, datetime

import msgspec

from telemetry.encryption.storage_secret import StorageSecret, StorageSecrets
from telemetry.exceptions import FormatError, StorageConflictError, StorageNotFoundError
from telemetry.format.objects.byte_parts import ByteParts
from telemetry.format.objects.stored_name import SEALED
from telemetry.storage import StorageProvider

logger = logging.getLogger("telemetry.replay")

ACCEPTED_SECONDS = 30 * 86_400.0
"""How long after an upgrade they are accepted, unless ``accept_unmarked_until`` says otherwise."""

_PURPOSE = b"first seen"
_MAX_BYTES = 1_024


class _FirstSeen(msgspec.Struct):
    """Content of the object that remembers when this version first worked on the store.

    Attributes:
        first_seen: Unix time.
        mac: HMAC-SHA-256 under the storage secret, in hexadecimal; empty where there is none.
    """

    first_seen: float
    mac: str


_decode = msgspec.json.Decoder(_FirstSeen).decode


class UnmarkedTerm:
    """The time in which unmarked objects are accepted: until a configured date, else for 30 days after the upgrade.

    The moment of the upgrade is remembered in the store, under a MAC. Anyone who may delete objects there can begin the
    30 days anew; a configured date ends that.

    Args:
        store: Store of the objects.
        topic: Topic of the objects.
        secrets: Storage secrets, of which the one in use makes the MAC.
        until: The configured date, if there is one.
    """

    def __init__(
        self, store: StorageProvider, *, topic: str, secrets: StorageSecrets, until: datetime | None = None
    ) -> None:
        self._store = store
        self._topic = topic
        self._name = f"{SEALED.root}first-seen/{topic}.json"
        self._secrets = secrets
        self._until = None if until is None else _timestamp(until)

    def begin(self) -> None:
        """Remember now as the moment of the upgrade, unless the store knows one already.

        Raises:
            StorageError: The store cannot be used.
        """
        if self._until is None:
            self._until = self._first_seen() + ACCEPTED_SECONDS

    def is_over(self) -> bool:
        """Return whether unmarked objects are no longer accepted.

        Raises:
            StorageError: The store cannot be used.
        """
        self.begin()
        return self._until is not None and time.time() >= self._until

    def _first_seen(self) -> float:
        now = time.time()
        try:
            return min(self._read(), now)
        except StorageNotFoundError:
            pass
        except (FormatError, ValueError):
            logger.warning("%s was altered and is written anew; unmarked objects are accepted from now on", self._name)
            self._store.delete(self._name)
        seen = _FirstSeen(now, self._mac(self._secrets.current, now))
        with contextlib.suppress(StorageConflictError):  # another process was faster, by a moment
            self._store.put(self._name, msgspec.json.encode(seen))
        return now

    def _read(self) -> float:
        content = b"".join(ByteParts(self._store.stream(self._name), max_bytes=_MAX_BYTES).rest())
        # A msgspec error is a ValueError, too.
        stated = _decode(content)
        # A replica may still have a former secret in use.
        macs = [self._mac(secret, stated.first_seen) for secret in self._secrets] or [""]
        if not any(hmac.compare_digest(stated.mac.encode(), mac.encode()) for mac in macs):
            raise ValueError(self._name)
        return stated.first_seen

    def _mac(self, secret: StorageSecret | None, seconds: float) -> str:
        if secret is None:
            return ""
        key = secret.derive(_PURPOSE, hashlib.sha256(self._topic.encode()).digest())
        return hmac.digest(key, repr(seconds).encode(), "sha256").hex()


def _timestamp(moment: datetime) -> float:
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
