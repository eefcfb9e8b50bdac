"""Says that a record's Kafka key was not kept, which is not the same as that it has none."""

from __future__ import annotations

from enum import Enum
from typing import Final


class KeyAbsence(Enum):
    """Why a record's Kafka key is not known.

    Attributes:
        NOT_KEPT: The record had one, and the place where the record is does not keep keys: they name users.
    """

    NOT_KEPT = "not kept"


NOT_KEPT: Final = KeyAbsence.NOT_KEPT
"""In the place of a Kafka key: the value, which has the key's hash, is checked without it."""

KafkaKey = bytes | KeyAbsence | None
"""A Kafka key; None where the record has none."""


def is_key_of(key: KafkaKey, expected: bytes) -> bool:
    """Return whether a record can have this Kafka key.

    Args:
        key: The record's key, as far as it was kept.
        expected: The key that its event has.
    """
    return key == expected or key is NOT_KEPT
