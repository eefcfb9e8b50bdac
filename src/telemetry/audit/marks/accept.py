"""Takes an object back that carries no mark of this service, because an operator vouches for it."""

from __future__ import annotations

import re
from contextlib import suppress

import uuid_utils

from telemetry.audit.marks.keeper import Keeper
from telemetry.exceptions import FormatError, StorageConflictError
from telemetry.format.objects.stored_name import SEALED, WAITING, object_name, parse_stored_name
from telemetry.storage import StorageProvider

_REASON = "accepted"
_DIGEST = re.compile(r"-[0-9a-f]{16}\Z", re.ASCII)


def accept_object(store: StorageProvider, name: str, keeper: Keeper, *, topic: str) -> int:
    """Store the records of an object anew, in the service's own form, and delete the object; return their number.

    Killed in between, it leaves both: then records are sent twice, which readers recognise.

    Args:
        store: Store of the objects.
        name: Full name of the object.
        keeper: Opens and stores for the service.
        topic: Topic of the service.

    Raises:
        FormatError: It is no object of this topic, or has a record that cannot be one of this service.
        VerificationError: It was altered, or has a record of another service.
        EncryptionError: Its key is not at hand.
        StorageError: The store fails.
    """
    # Of two objects with one name, the second has its digest after the name in quarantine.
    parsed = parse_stored_name(_DIGEST.sub("", name))
    if parsed is None or parsed.object_name.topic != topic:
        message = f"{name[:200]!r} is not the name of an object of topic {topic!r}"
        raise FormatError(message)
    parts = parsed.object_name
    is_sealed = parsed.shelf is SEALED
    # Everything is opened and checked before anything is stored.
    records = list(keeper.own.records_of(parts, store.stream(name), is_sealed=is_sealed))
    numbers = [record.sequence for record in records if record.sequence is not None]
    shelf = keeper.form.shelf
    new = object_name(
        topic,
        # Of its first creation, because a producer's objects are sent in the order of their sequences anyhow.
        created_uuid7=parts.created,
        day=parts.day,
        producer=parts.producer,
        first=min(numbers, default=None),
        last=max(numbers, default=None),
        shelf=shelf,
    )
    data = keeper.form.encode(records, topic=topic, producer=parts.producer, reason=_REASON)
    target = shelf.below(WAITING, new)
    with suppress(StorageConflictError):
        store.put(target, data)
        store.delete(name)
        return len(records)
    # An earlier attempt was killed before it deleted the original: its copy is as good.
    another = new.replace(parts.created, str(uuid_utils.uuid7()), 1)
    store.put(shelf.below(WAITING, another), data)
    store.delete(name)
    return len(records)
