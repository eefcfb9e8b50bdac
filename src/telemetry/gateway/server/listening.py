"""Opens the sockets on which the gateway listens."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.gateway.server.address import Address
from telemetry.system.file_trust import find_fault

_BACKLOG = 512
_UNIX_MODE = 0o660
"""Its owner and a group of the operator's choice may connect."""


def open_listener(address: Address) -> socket.socket:
    """Return a listening, non-blocking socket.

    Args:
        address: Where to listen.

    Raises:
        ConfigurationError: Nobody can listen there.
    """
    try:
        return _on_path(address.path) if address.path is not None else _on_port(address)
    except OSError as exc:
        reason = f"cannot be listened on: {exc.strerror or type(exc).__name__}"
        raise ConfigurationError(Problem(str(address), reason, "choose another address")) from exc


def bound_address(address: Address, listener: socket.socket) -> Address:
    """Return the address with the port that the system chose."""
    if address.path is not None:
        return address
    return Address(address.scheme, host=address.host, port=listener.getsockname()[1])


def _on_port(address: Address) -> socket.socket:
    found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, place = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(place)
        return _listening(listener)
    except BaseException:
        listener.close()
        raise


def _on_path(path: Path) -> socket.socket:
    fault = find_fault(path.parent)
    if fault is not None:
        raise ConfigurationError(Problem(f"unix:{path}", f"is not safe: {fault}", fault.remedy))
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # The mode is right from the first moment: nobody else connects between bind and chmod.
        before = os.umask(0o777 & ~_UNIX_MODE)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        return _listening(listener)
    except BaseException:
        listener.close()
        raise


def _listening(listener: socket.socket) -> socket.socket:
    listener.settimeout(0)
    listener.listen(_BACKLOG)
    return listener


def _remove_stale(path: Path) -> None:
    """Remove the socket that a killed gateway has left; anything else at this place is an error."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    name = f"unix:{path}"
    if not stat.S_ISSOCK(found.st_mode):
        raise ConfigurationError(Problem(name, "exists and is no socket", "name another path"))
    if found.st_uid != os.geteuid():
        raise ConfigurationError(Problem(name, "is a socket of another user", "name another path, or remove it"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as exc:
            raise ConfigurationError(
                Problem(name, "is in use", "stop the other gateway, or name another path")
            ) from exc
    raise ConfigurationError(Problem(name, "is in use", "stop the other gateway, or name another path"))
