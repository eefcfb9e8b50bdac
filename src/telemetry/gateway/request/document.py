"""Finds the list of events in the document in which a service delivers them, without decoding the events."""

from __future__ import annotations

from typing import Any

import msgspec

from telemetry.exceptions import EventError
from telemetry.gateway.request.refused_request import RefusedRequestError
from telemetry.ingest.exact import decoded_exactly

MAX_BESIDE = 1 << 16
"""Bytes of a document beside its list: kind, version, a place to go on from."""


class ListPath:
    """The names that lead to a list.

    Args:
        names: One name at least.
    """

    def __init__(self, *names: str) -> None:
        self._name = names[-1].encode()
        kind: Any = msgspec.Raw
        for number, name in enumerate(reversed(names)):
            fields = [("found", kind | msgspec.UnsetType, msgspec.UNSET)]
            kind = msgspec.defstruct(f"Level{number}", fields, rename={"found": name})
        self._depth = len(names)
        self._decode = msgspec.json.Decoder(kind).decode

    def list_in(self, text: bytes) -> bytes | None:
        """Return the text of the list; None where the text is no object with one.

        Args:
            text: JSON; what is not is found out by who decodes it.

        Raises:
            RefusedRequestError: A name is there twice beside the list, or much else is (400).
        """
        # Most events have no such name.
        if self._name not in text:
            return None
        try:
            value = self._decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        for _ in range(self._depth):
            value = value.found
            if value is msgspec.UNSET:
                return None
        found = bytes(value)
        if not found.startswith(b"["):
            return None
        _require_plain(text, found)
        return found


def _require_plain(text: bytes, found: bytes) -> None:
    """Check that a document says nothing twice beside its list: of two lists the decoder gives the last one."""
    if len(text) - len(found) > MAX_BESIDE:
        raise RefusedRequestError(400, f"the document has more than {MAX_BESIDE} bytes beside its list of events")
    try:
        decoded_exactly(text.replace(found, b"[]", 1))
    except EventError as exc:
        raise RefusedRequestError(400, "the document has a name twice, or a number that no value repeats") from exc
