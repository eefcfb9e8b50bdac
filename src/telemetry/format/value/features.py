"""Names the features that an event of envelope 2 may use, and refuses those that this version does not know.

An event without features is envelope 1, byte for byte. One with features names them in its sealed part, so that a reader
that is too old says "needs a newer reader" instead of reading something else than what was logged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from telemetry.exceptions import MalformedRecordError, NewerReaderNeededError

PLAIN_VERSION = 1
"""``schema_version`` of an event that uses no feature."""
FEATURES_VERSION = 2
"""``schema_version`` of an event that names its features."""

HIDDEN_TYPE = "hidden-type"
"""The type is sealed only; outside is :data:`HIDDEN_EVENT_TYPE`."""
DEDUP = "dedup"
"""The event carries a value by which repeated calls of ``log()`` are recognized."""
RECIPIENTS = "recipients"
"""The record names further wraps of its data key (``recipients.py``)."""
RELAYED = "relayed"
"""Producer and sequence are not sealed: a relay gives them to an event that waited in an outbox (``outbox_row.py``)."""
DISCLOSABLE = "disclosable"
"""Outside is a commitment to the sealed bytes, inside the salt of it (``commitment.py``)."""
SUBJECT = "subject"
"""Payload and identity are sealed inside under a key of the event's subject (``subject/content.py``)."""
MEMBERS = {
    DEDUP: "dedup",
    RECIPIENTS: "recipients",
    "actor-type": "actor_type",
    "adjusted": "adjusted",
    "catalog": "catalog",
    "changes": "changes",
    "occurred-at": "occurred_at",
    "reason": "reason",
    SUBJECT: "subject",
    "targets": "targets",
    "tenant-id": "tenant_id",
}
"""The features that are a member of the event and nothing else, with its name; an event has both or neither."""
KNOWN_FEATURES = frozenset((HIDDEN_TYPE, RELAYED, DISCLOSABLE, *MEMBERS))

HIDDEN_EVENT_TYPE = "telemetry.event"
MAX_FEATURES = 16

_NAME = re.compile(r"[a-z0-9-]{1,32}", re.ASCII)


def require_known(schema_version: int, features: Sequence[str]) -> None:
    """Check that this version can read an event.

    Args:
        schema_version: Version of the event.
        features: The features that it names.

    Raises:
        NewerReaderNeededError: It is of a later version, or uses a feature that only later versions know.
        MalformedRecordError: No version writes such a combination.
    """
    if schema_version > FEATURES_VERSION:
        message = f"the event needs a newer reader: its schema version is {schema_version}; upgrade this library"
        raise NewerReaderNeededError(message)
    if schema_version < PLAIN_VERSION or not _is_list_of(schema_version, features):
        message = "the event's schema version and features are not in the form this format prescribes"
        raise MalformedRecordError(message)
    unknown = [name for name in features if name not in KNOWN_FEATURES]
    if unknown:
        message = f"the event needs a newer reader: it uses {', '.join(unknown)}; upgrade this library"
        raise NewerReaderNeededError(message)


def _is_list_of(schema_version: int, features: Sequence[str]) -> bool:
    if schema_version == PLAIN_VERSION:
        return not features
    # Bounded before anything is done with the names: they come from outside.
    if not 0 < len(features) <= MAX_FEATURES or not all(_NAME.fullmatch(name) for name in features):
        return False
    return list(features) == sorted(set(features))
