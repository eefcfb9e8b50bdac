"""Keeps objects in a cloud store: one implementation over obstore for all of them."""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import os
import secrets
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeVar

from telemetry.config import StorageConfig
from telemetry.config.endpoints import read_certificates
from telemetry.exceptions import (
    ConfigurationError,
    LifecycleError,
    MissingExtraError,
    StorageConflictError,
    StorageError,
    StorageLimitError,
    StorageNotFoundError,
    StorageUnreachableError,
)
from telemetry.storage import object_calls as calls
from telemetry.storage.names import clean_prefix, require_name, require_safe
from telemetry.storage.object_errors import concerns_credentials, create_store, is_store_failure, redacted, translate
from telemetry.storage.odd_names import after_odd, next_page, report
from telemetry.storage.provider import StorageProvider, StoredObject, require_part, require_size
from telemetry.system.fork_relay import Relay

try:
    import obstore
except ImportError:  # reported when a provider is created, which knows the name of the extra
    obstore = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import AzureStore, ClientConfig, GCSStore, RetryConfig, S3Store

    CloudStore = AzureStore | GCSStore | S3Store

logger = logging.getLogger("telemetry.storage")

Result = TypeVar("Result")

_PAGE = 1_000
_MAX_REPORTED = 100
_ATTEMPTS = 3
_CONNECT_SECONDS = 5.0
_RENEW_SECONDS = 5.0
"""Pause between two renewals of the credentials: each reads files anew, and may ask a server for a role or a token."""
_MAX_RETRY_SECONDS = 180.0
"""obstore signs a request once; credentials must outlive its retries."""


class Permissions(NamedTuple):
    """The cloud's own names of the rights that the operations need."""

    put: str
    get: str
    list: str
    delete: str


class ObjectStoreProvider(StorageProvider):
    """Keeps each object as one object of a bucket or container, written by one conditional request.

    A create whose answer was lost is recognised: the object is read back and compared before anything is decided.
    obstore's runtime does not survive ``fork()``; for a child of a process that had used it, a separate process,
    started on first use, does the work.

    Attributes:
        extra: Name of the extra to install.
        permissions: The rights that each operation needs, as the cloud calls them.
    """

    extra: ClassVar[str]
    permissions: ClassVar[Permissions]
    _runtime_pid: ClassVar[int | None] = None

    def __init__(self, config: StorageConfig) -> None:
        super().__init__(config)
        if obstore is None:
            raise MissingExtraError(config.provider, self.extra)
        self._prefix = clean_prefix(config.prefix)
        self._store: CloudStore | None = create_store(self._create_store)
        self._relay: Relay | None = None
        self._renewing = threading.Lock()
        self._renewed_at = -math.inf
        self._closed = False
        self._reported: set[str] = set()

    @property
    @abstractmethod
    def location(self) -> str:
        """Where the objects are, in the usual notation: ``s3://bucket/prefix``."""

    @abstractmethod
    def _create_store(self) -> CloudStore:
        """Create the store's client from the configuration; no request is sent."""

    def put(self, name: str, data: bytes) -> None:
        """Create an object by one conditional request; see ``StorageProvider.put``."""
        self._require_open()
        require_name(name)
        require_size(name, data)
        # In a forked child obstore would hang; a process of its own does the work there.
        if relay := self._relay_of_fork():
            relay.call("put", name, data)
            return
        for _ in range(_ATTEMPTS):
            if self._create(name, data):
                return
        message = f"writing {self._where(name)} failed: other writers of the same name come and go; try again"
        raise StorageError(message)

    def get(self, name: str) -> bytes:
        """Return an object's bytes; see ``StorageProvider.get``."""
        self._require_open()
        require_safe(name)
        if relay := self._relay_of_fork():
            return bytes(relay.call("get", name))
        return self._request("get", "reading", name, lambda store: calls.get(store, name))

    def stream(self, name: str) -> Iterator[bytes]:
        """Yield an object's bytes in parts; see ``StorageProvider.stream``."""
        self._require_open()
        require_safe(name)
        if self._relay_of_fork() is not None:
            # Parts cannot cross the connection to that process one by one.
            yield self.get(name)
            return
        parts = self._request("get", "reading", name, lambda store: calls.get_parts(store, name))
        while (part := self._continue("get", "reading", name, lambda: next(parts, None))) is not None:
            yield part

    def size(self, name: str) -> int:
        """Return an object's size; see ``StorageProvider.size``."""
        self._require_open()
        require_safe(name)
        if relay := self._relay_of_fork():
            return int(relay.call("size", name))
        return self._request("get", "reading", name, lambda store: calls.get_size(store, name))

    def read_part(self, name: str, start: int, length: int) -> bytes:
        """Return a part of an object's bytes, by one request for a range; see ``StorageProvider.read_part``."""
        self._require_open()
        require_safe(name)
        require_part(name, start, length)
        if relay := self._relay_of_fork():
            return bytes(relay.call("read_part", name, start, length))
        return self._request("get", "reading", name, lambda store: calls.get_part(store, name, start, length))

    def list(self, prefix: str = "") -> Iterator[StoredObject]:
        """Yield the objects whose name starts with ``prefix``; see ``StorageProvider.list``.

        An Azure account with a hierarchical namespace sorts folder by folder instead of by the whole name.
        """
        self._require_open()
        if self._relay_of_fork() is None:
            yield from self._list_after(prefix, None)
            return
        # A generator cannot cross the connection to that process: page by page instead.
        after: str | None = None
        while True:
            page = self.list_page(prefix, after)
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].name

    def list_page(self, prefix: str, after: str | None) -> Sequence[StoredObject]:
        """Return up to 1,000 of the objects whose name starts with ``prefix`` and comes later than ``after``."""
        if relay := self._relay_of_fork():
            return tuple(relay.call("list_page", prefix, after))
        return tuple(itertools.islice(self._list_after(prefix, after), _PAGE))

    def delete(self, name: str) -> None:
        """Delete an object; see ``StorageProvider.delete``."""
        self._require_open()
        require_safe(name)
        if relay := self._relay_of_fork():
            relay.call("delete", name)
            return
        with contextlib.suppress(StorageNotFoundError):
            self._request("delete", "deleting", name, lambda store: calls.delete(store, name))

    def check(self) -> None:
        """Write, read, list and delete a small object, and check that the store refuses to overwrite it."""
        if relay := self._relay_of_fork():
            relay.call("check")
            return
        name, probe = f"check/{secrets.token_hex(16)}", secrets.token_bytes(32)
        self.put(name, probe)
        try:
            if self.get(name) != probe or name not in [stored.name for stored in self.list(name)]:
                message = f"{self.location} does not give back or does not list what was written to it"
                raise StorageError(message)
            self._require_create_only(name)
        finally:
            self.delete(name)

    def close(self) -> None:
        """Drop the connections and refuse further calls."""
        self._closed = True
        self._store = None
        if self._relay is not None:
            self._relay.close()
        self._relay = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.location!r})"

    @property
    def _client_options(self) -> ClientConfig:
        config = self.config
        seconds = config.timeout_ms / 1_000
        options: ClientConfig = {
            "allow_http": config.allow_http,
            "allow_invalid_certificates": False,  # stated, so that no environment variable can turn it on
            "timeout": timedelta(seconds=seconds),
            "connect_timeout": timedelta(seconds=min(seconds, _CONNECT_SECONDS)),
        }
        if config.ca_path is not None:
            options["root_certificate"] = read_certificates(config.ca_path, field="ca_path")
        return options

    @property
    def _retry_config(self) -> RetryConfig:
        config = self.config
        limit = config.timeout_ms / 1_000 * (config.max_retries + 1)
        return {
            "max_retries": config.max_retries,
            "retry_timeout": timedelta(seconds=min(limit, _MAX_RETRY_SECONDS)),
        }

    def _create(self, name: str, data: bytes) -> bool:
        try:
            self._request("put", "writing", name, lambda store: calls.put(store, name, data))
        except StorageConflictError:
            stored = self._read_if_present(name)
            if stored is None:
                # Another writer did not finish, or deleted the object: try again.
                return False
        except StorageError as exc:
            stored = self._read_after(exc, name)
            if stored is None:
                raise
        else:
            return True
        if stored != data:
            message = f"{self._where(name)} exists with other content and was left as it is"
            raise StorageConflictError(message)
        # Our own object: only the answer to its creation was lost.
        return True

    def _read_if_present(self, name: str) -> bytes | None:
        try:
            return self.get(name)
        except StorageNotFoundError:
            return None

    def _read_after(self, failure: StorageError, name: str) -> bytes | None:
        # The request may have been carried out although it seems to have failed.
        if not failure.retriable:
            return None
        try:
            return self._read_if_present(name)
        except StorageError:
            return None

    def _list_after(self, prefix: str, after: str | None) -> Iterator[StoredObject]:
        odd: str | None = ""
        while odd is not None:
            last, odd = after, None
            for page in self._pages(prefix, after):
                if isinstance(page, str):
                    odd = page.removeprefix(f"{self._prefix}/")
                    break
                for entry in page:
                    last = entry["path"]
                    if last.startswith(prefix):
                        yield StoredObject(last, entry["size"])
            if odd is None:
                return
            rest = self._list_otherwise(prefix, after=last)
            if rest is not None:
                yield from rest
                return
            self._report_odd(odd, is_hiding=True)
            after = after_odd(odd)
            # A name that is not where it should be must not make this endless.
            odd = odd if last is None or after > last else None

    def _pages(self, prefix: str, after: str | None) -> Iterator[Sequence[ObjectMeta] | str]:
        """Yield the pages of a listing; in place of one that obstore cannot parse, the name that prevents it."""
        folder = prefix.rpartition("/")[0]  # obstore compares whole parts of names
        pages = self._request(
            "list", "listing", prefix, lambda store: obstore.list(store, folder or None, offset=after, chunk_size=_PAGE)
        )
        while True:
            page = self._continue("list", "listing", prefix, lambda: next_page(pages))
            if page is None:
                return
            yield page

    def _list_otherwise(self, prefix: str, *, after: str | None) -> Iterator[StoredObject] | None:  # noqa: ARG002
        """Go on with a listing by another client, if there is one that parses any name."""
        return None

    def _report_odd(self, name: str, *, is_hiding: bool) -> None:
        # Said once: the replay lists all the time.
        if name not in self._reported and len(self._reported) < _MAX_REPORTED:
            self._reported.add(name)
            report(name, location=self.location, is_hiding=is_hiding)

    def _require_create_only(self, name: str) -> None:
        try:
            self._request("put", "writing", name, lambda store: calls.put(store, name, b"another"))
        except StorageConflictError:
            return
        message = (
            f"{self.location} overwrites existing objects in spite of conditional writes, so that records could be lost; "
            "use a store that honours conditional writes"
        )
        raise StorageLimitError(message)

    def _request(self, right: str, doing: str, name: str, send: Callable[[CloudStore], Result]) -> Result:
        # Read once: another thread may close the provider at this moment.
        store = self._require_open()
        try:
            return self._request_once(store, right, doing, name, send)
        except StorageError as exc:
            renewed = self._renewed(store) if concerns_credentials(exc) else None
            if renewed is None:
                raise
        return self._request_once(renewed, right, doing, name, send)

    def _continue(self, right: str, doing: str, name: str, send: Callable[[], Result]) -> Result:
        """Go on with an answer that has begun: it cannot be had from another client."""
        return self._request_once(self._require_open(), right, doing, name, lambda _: send())

    def _request_once(
        self, store: CloudStore, right: str, doing: str, name: str, send: Callable[[CloudStore], Result]
    ) -> Result:
        # From here on this process has obstore's runtime, which a child could not use.
        ObjectStoreProvider._runtime_pid = os.getpid()
        try:
            return send(store)
        except StorageError:
            raise
        except BaseException as exc:
            if not is_store_failure(exc):
                raise
            failure = exc
        # Outside the except clause, so that obstore's own text, which contains URLs, is not kept as the context.
        remedy = f"grant {getattr(self.permissions, right)}, or correct the credentials"
        raise translate(failure, doing=f"{doing} {self._where(name)}", remedy=remedy) from redacted(failure)

    def _renewed(self, refused: CloudStore) -> CloudStore | None:
        """Return a client that reads the credentials anew; None where that was done a moment ago, or fails."""
        with self._renewing:
            store = self._require_open()
            if store is not refused:
                # Another thread has renewed it meanwhile.
                return store
            now = time.monotonic()
            if now - self._renewed_at < _RENEW_SECONDS:
                return None
            self._renewed_at = now
            try:
                self._store = create_store(self._create_store)
            except ConfigurationError as exc:
                # A file may be half written at this moment.
                logger.warning("the credentials for %s could not be read again: %s", self.location, exc)
                return None
            return self._store

    def _require_open(self) -> CloudStore:
        if self._closed or self._store is None:
            message = f"the store {self.location} is closed"
            raise LifecycleError(message)
        return self._store

    def _relay_of_fork(self) -> Relay | None:
        if ObjectStoreProvider._runtime_pid in (None, os.getpid()):
            return None
        if self._relay is None or not self._relay.is_alive:
            self._relay = Relay(type(self), self.config, lost=StorageUnreachableError)
        return self._relay

    def _where(self, name: str) -> str:
        return f"{self.location}/{name}"
