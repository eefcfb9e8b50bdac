"""Sends one request of obstore for each operation on an object; errors are obstore's own, but for what is refused here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from telemetry.exceptions import StorageLimitError
from telemetry.storage.object_errors import is_store_failure
from telemetry.storage.provider import MAX_OBJECT_BYTES

try:
    import obstore
except ImportError:  # reported when a provider is created, which knows the name of the extra
    obstore = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from obstore import GetResult
    from obstore.store import AzureStore, GCSStore, S3Store

    CloudStore = AzureStore | GCSStore | S3Store

_PART_BYTES = 1 << 20


def put(store: CloudStore, name: str, data: bytes) -> None:
    """Create an object, unless it exists."""
    obstore.put(store, name, data, mode="create", use_multipart=False)


def get(store: CloudStore, name: str) -> bytes:
    """Return an object's bytes."""
    return bytes(_answer(store, name).bytes())


def get_parts(store: CloudStore, name: str) -> Iterator[bytes]:
    """Yield an object's bytes in parts."""
    return map(bytes, _answer(store, name).stream(min_chunk_size=_PART_BYTES))


def get_size(store: CloudStore, name: str) -> int:
    """Return an object's size."""
    return obstore.head(store, name)["size"]


def get_part(store: CloudStore, name: str, start: int, length: int) -> bytes:
    """Return a part of an object's bytes: fewer at its end, none beyond it."""
    if not length:
        obstore.head(store, name)
        return b""
    try:
        return bytes(obstore.get_range(store, name, start=start, length=length))
    except BaseException as exc:
        # A range beyond the end is an error of the request, which each store names in its own way.
        if not is_store_failure(exc) or obstore.head(store, name)["size"] > start:
            raise
        return b""


def delete(store: CloudStore, name: str) -> None:
    """Delete an object."""
    obstore.delete(store, name)


def _answer(store: CloudStore, name: str) -> GetResult:
    answer = obstore.get(store, name)
    if answer.meta["size"] > MAX_OBJECT_BYTES:
        message = f"reading {name!r} is refused: it is larger than {MAX_OBJECT_BYTES} bytes"
        raise StorageLimitError(message)
    return answer
