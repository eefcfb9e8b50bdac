"""Posts events to any HTTP server, as a JSON array or as JSON lines."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from telemetry.forward.delivery import Batch, Described, Parcel, Patience
from telemetry.forward.targets.post import PostClient, require_accepted
from telemetry.reader.entry import Entry, RawRecord

_encode = msgspec.json.Encoder().encode


class WebTarget:
    """A server that answers with 2xx once it has a batch. A batch that is sent again has the same ``Idempotency-Key``.

    Args:
        client: Posts to it.
        lines: Whether the body is JSON lines instead of an array.
    """

    name = "http"
    window = 1

    def __init__(self, client: PostClient, *, lines: bool = False) -> None:
        self._client = client
        self._lines = lines

    def parcel(self, entry: Entry, raw: RawRecord, described: Described, document: Any) -> Parcel:
        """Return the document."""
        return Parcel(described.id, entry, raw, _encode(document))

    def send(self, batch: Batch) -> None:
        """Post a batch; see :class:`telemetry.forward.delivery.Target`."""
        contents = [parcel.content for parcel in batch]
        body = b"".join(each + b"\n" for each in contents) if self._lines else b"[" + b",".join(contents) + b"]"
        kind = "application/x-ndjson" if self._lines else "application/json"
        headers = {"Content-Type": kind, "Idempotency-Key": batch_key(batch)}
        require_accepted(self._client.post("", body, headers), url=self._client.origin)

    def settle(self, patience: Patience) -> None:
        """Do nothing: an answer of 2xx is the acknowledgement."""

    def close(self) -> None:
        """Drop the connection."""
        self._client.close()


def batch_key(batch: Batch) -> str:
    """Return what the same events in the same order have in common: the SHA-256 of their ids and contents."""
    digest = hashlib.sha256()
    for parcel in batch:
        digest.update(parcel.id.encode())
        digest.update(hashlib.sha256(parcel.content).digest())
    return digest.hexdigest()
