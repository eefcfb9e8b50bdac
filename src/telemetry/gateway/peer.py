"""Describes the other end of a connection as the operating system and TLS vouch for it."""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass

_UCRED = struct.Struct("3i")
"""``struct ucred`` of unix(7): pid, uid, gid."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection; ``request.state.peer``.

    Attributes:
        address: IP address; empty on a unix socket.
        names: Names in its verified certificate: those of the subject alternative name (DNS and URI), else the common name.
        uid: User id of the process on a unix socket; None otherwise.
        is_admin: Whether it uses the admin address.
    """

    address: str = ""
    names: tuple[str, ...] = ()
    uid: int | None = None
    is_admin: bool = False

    @property
    def owner(self) -> str | None:
        """Whose connection it is among many: that of a certificate or of a user; None if neither is known."""
        if self.names:
            return f"certificate {self.names}"
        return None if self.uid is None else f"uid {self.uid}"


def user_of(connection: socket.socket) -> int | None:
    """Return the user id of the process at the other end of a unix socket, as the kernel noted it; None if it cannot tell."""
    if sys.platform != "linux":
        return None
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    uid: int = _UCRED.unpack(credentials)[1]
    return uid


def names_of(certificate: Mapping[str, object] | None) -> tuple[str, ...]:
    """Return the names in a certificate that TLS has verified.

    The common name counts only where there is no DNS name and no URI (RFC 9525, section 2).

    Args:
        certificate: As ``SSLObject.getpeercert()`` gives it; None without one.
    """
    if not certificate:
        return ()
    alternatives = certificate.get("subjectAltName", ())
    names = tuple(
        str(entry[1])
        for entry in (alternatives if isinstance(alternatives, tuple) else ())
        if isinstance(entry, tuple) and entry[0] in ("DNS", "URI")
    )
    if names:
        return names
    subject = certificate.get("subject", ())
    pairs = [pair for group in (subject if isinstance(subject, tuple) else ()) for pair in group]
    common = [str(value) for kind, value in pairs if kind == "commonName"]
    return tuple(common) if len(common) == 1 else ()
