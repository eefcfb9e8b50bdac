"""Sends the three smallest requests of Kafka's protocol, to find out what listens on a port before any client logs in.

The layout follows the Apache Kafka protocol guide (https://kafka.apache.org/protocol): ApiVersions v0, SaslHandshake v1
and Metadata v1, all with the request header v1. Answers are bounded in size and count.
"""

from __future__ import annotations

import socket
import struct
from typing import Final

API_VERSIONS: Final = 18
SASL_HANDSHAKE: Final = 17
METADATA: Final = 3

_CLIENT_ID = b"telemetry-doctor"
_CORRELATION = 0x7E1E  # any number: the answer must repeat it
_MIN_ANSWER, _MAX_ANSWER = 4, 1 << 20
_MAX_MECHANISMS = 100
_TLS_MAJOR_VERSION = 3
_TLS_RECORD_TYPES = frozenset({0x14, 0x15, 0x16, 0x17})


class NoAnswerError(Exception):
    """The other side closed the connection instead of answering."""


class NotKafkaError(Exception):
    """The other side answered something that is not Kafka's protocol.

    Args:
        is_tls: Whether the answer looks like TLS.
    """

    def __init__(self, *, is_tls: bool = False) -> None:
        super().__init__("TLS" if is_tls else "not Kafka")
        self.is_tls = is_tls


def ask_versions(connection: socket.socket) -> None:
    """Ask for the supported versions, which every broker answers before any authentication.

    Raises:
        NoAnswerError: The connection was closed.
        NotKafkaError: The answer is not Kafka's.
        OSError: The connection failed or timed out.
    """
    _ask(connection, API_VERSIONS, 0, b"")


def ask_metadata(connection: socket.socket) -> None:
    """Ask for the cluster without any topic, which a listener with SASL refuses before authentication; raises as above."""
    _ask(connection, METADATA, 1, struct.pack(">i", 0))


def ask_mechanism(connection: socket.socket, mechanism: str) -> tuple[int, list[str]]:
    """Announce a SASL mechanism; raises as above.

    Returns:
        Kafka's error code (0: accepted, 33: unsupported mechanism, 34: no SASL here), and the listener's mechanisms.
    """
    name = mechanism.encode()
    body = _ask(connection, SASL_HANDSHAKE, 1, struct.pack(">h", len(name)) + name)
    try:
        code, count = struct.unpack_from(">hi", body)
        return code, _strings(body, 6, count)
    except (struct.error, UnicodeDecodeError) as exc:
        raise NotKafkaError from exc


def _strings(body: bytes, position: int, count: int) -> list[str]:
    # A length of -1 is Kafka's null string; it counts as empty.
    names: list[str] = []
    for _ in range(min(max(count, 0), _MAX_MECHANISMS)):
        (length,) = struct.unpack_from(">h", body, position)
        names.append(body[position + 2 : position + 2 + max(length, 0)].decode())
        position += 2 + max(length, 0)
    return names


def _ask(connection: socket.socket, api: int, version: int, body: bytes) -> bytes:
    """Send a request and return the body of its answer."""
    header = struct.pack(">hhih", api, version, _CORRELATION, len(_CLIENT_ID)) + _CLIENT_ID
    connection.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
    # Size and correlation id first: neither is trusted before both are plausible.
    start = _receive(connection, 8)
    size, correlation = struct.unpack(">ii", start)
    if correlation != _CORRELATION or not _MIN_ANSWER <= size <= _MAX_ANSWER:
        raise NotKafkaError(is_tls=_looks_like_tls(start))
    return _receive(connection, size - 4)


def _receive(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            if len(parts) > 1:
                # Closed in the middle of an answer: a TLS alert is shorter than the start of Kafka's.
                raise NotKafkaError(is_tls=_looks_like_tls(parts))
            raise NoAnswerError
        parts += part
    return bytes(parts)


def _looks_like_tls(start: bytes | bytearray) -> bool:
    """Return whether it begins like a TLS record (RFC 8446, 5.1)."""
    return start[0] in _TLS_RECORD_TYPES and start[1] == _TLS_MAJOR_VERSION
