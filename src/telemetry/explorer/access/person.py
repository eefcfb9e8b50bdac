"""Names the person behind a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from telemetry.explorer.access.right import Right

How = Literal["one-time link", "oidc", "proxy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person who has signed in.

    Attributes:
        subject: Who it is, as the source of the identity writes it: it is the ``user_id`` of everything that is recorded.
        name: Name for the screen; the subject where there is no other.
        right: What the person may do.
        how: How the person has signed in.
    """

    subject: str
    name: str
    right: Right
    how: How

    def __repr__(self) -> str:
        return f"Person(right={self.right.value!r}, how={self.how!r})"
