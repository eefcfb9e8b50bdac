"""Keeps what belongs to one person at one browser, until it ends."""

from __future__ import annotations

import secrets
from zoneinfo import ZoneInfo

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.explorer.access.person import Person
from telemetry.explorer.access.right import Right

_TOKEN_BYTES = 32
_ID_BYTES = 9
_MAX_ZONE = 64
UTC = "UTC"
"""Time zone of a session for which none was chosen."""


class Session:
    """A person at a browser. It compares by identity and can be a key of a ``WeakKeyDictionary``: it is dropped where it ends.

    Args:
        person: Who it is.
        address: IP address of the person; None on a unix socket.

    Attributes:
        id: Names the session in what is recorded; it opens nothing.
        person: The same.
        address: IP address of the last request.
        csrf: Token that each form of this session carries.
        reason: Why the person reads; None until one was given and the read was recorded.
        zone: Time zone (IANA) in which times are shown beside UTC.
    """

    def __init__(self, person: Person, *, address: str | None = None) -> None:
        self.id = secrets.token_urlsafe(_ID_BYTES)
        self.person = person
        self.address = address
        self.csrf = secrets.token_urlsafe(_TOKEN_BYTES)
        self.reason: str | None = None
        self.zone = UTC

    def __repr__(self) -> str:
        return f"Session(id={self.id!r}, person={self.person!r}, is_open={self.is_open})"

    @property
    def is_open(self) -> bool:
        """Whether content may be shown: the person may read, has said why, and that is recorded."""
        return self.reason is not None and self.may(Right.READ)

    def may(self, right: Right) -> bool:
        """Return whether the person may do what needs this right."""
        return self.person.right.includes(right)

    def come_from(self, address: str | None) -> None:
        """Remember from where the last request came: a stolen cookie is used from somewhere else."""
        self.address = address

    def open_content(self, reason: str) -> None:
        """Remember the reason; only after the read was recorded."""
        self.reason = reason

    def choose_zone(self, zone: str) -> None:
        """Show times in another zone, such as ``Europe/Zurich``.

        Raises:
            ConfigurationError: There is no such zone.
        """
        try:
            ZoneInfo(zone if len(zone) <= _MAX_ZONE else "")
        except (KeyError, ValueError, OSError) as exc:
            problem = Problem("zone", "is no time zone that this machine knows", "write one such as Europe/Zurich")
            raise ConfigurationError(problem) from exc
        self.zone = zone
