"""Defines the legal hold that keeps a subject from being forgotten."""

from __future__ import annotations

import secrets
from typing import NamedTuple

import msgspec

from telemetry.encryption.subjects.store.rows import refuse_row

MAX_REASON = 500
MAX_BY = 200


class LegalHold(NamedTuple):
    """Why a subject must not be forgotten; the store has it sealed.

    Attributes:
        hold_id: 16 hexadecimal digits that name it.
        by: Who set it.
        reason: Why, such as the number of a case; at most 500 characters.
        set_ms: When, in milliseconds since 1970.
    """

    hold_id: str
    by: str
    reason: str
    set_ms: int

    @classmethod
    def create(cls, *, by: str, reason: str, set_ms: int) -> LegalHold:
        """Return a new hold; texts that are too long are cut."""
        return cls(secrets.token_hex(8), by[:MAX_BY], reason[:MAX_REASON], set_ms)

    def encoded(self) -> bytes:
        """Return the bytes that are sealed."""
        return msgspec.json.encode(self)


def decoded_hold(data: bytes) -> LegalHold:
    """Return the hold of opened bytes.

    Raises:
        SubjectTableError: They are none.
    """
    try:
        return msgspec.json.decode(data, type=LegalHold)
    except (msgspec.DecodeError, ValueError) as exc:
        refuse_row("has a hold that cannot be read", exc)
