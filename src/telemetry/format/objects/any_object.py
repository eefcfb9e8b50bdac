"""Looks at a stored object whose format is only known from its name."""

from __future__ import annotations

from collections.abc import Iterable

from telemetry.exceptions import FormatError
from telemetry.format.objects.fallback_object import PlainObjectReader
from telemetry.format.objects.sealed_reader import SealedObjectReader
from telemetry.format.objects.stored_name import SEALED, parse_stored_name


def object_reason(parts: Iterable[bytes], name: str) -> str:
    """Return why Kafka did not accept the records of an object, in one word, as its header says it.

    Args:
        parts: The object's bytes; only the first ones are read.
        name: The object's name.

    Raises:
        FormatError: It is no object of this library.
        TamperedError: Its header was altered.
    """
    parsed = parse_stored_name(name)
    if parsed is None:
        message = "its name is not one of this library"
        raise FormatError(message)
    reader = SealedObjectReader(parts) if parsed.shelf is SEALED else PlainObjectReader(parts)
    return reader.header.reason
