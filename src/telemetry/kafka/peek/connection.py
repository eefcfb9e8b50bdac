"""Connects to one broker, logs in, and sends single requests whose answers are read as far as they are needed."""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import suppress
from types import TracebackType
from typing import Self

from telemetry.config import AuditConfig
from telemetry.kafka.diagnose.diagnosis import DiagnosedError
from telemetry.kafka.diagnose.identity import TlsIdentity
from telemetry.kafka.peek.sasl import SaslError, exchange

_SASL_HANDSHAKE, _SASL_AUTHENTICATE = (17, 1), (36, 0)
_CLIENT_ID = b"telemetry"
_LEFT_UNREAD = 4 << 20
"""A rest of an answer that is at most this long is read and dropped; with more, connecting again is cheaper."""
_PART = 1 << 16


class PeekError(Exception):
    """A broker cannot be asked, or does not answer as its protocol says."""


class BrokerConnection:
    """A connection to a broker; it is opened by the first request, and again after one that failed.

    Args:
        address: Host and port.
        config: How to log in.
        timeout: Seconds for each step.
    """

    def __init__(self, address: tuple[str, int], config: AuditConfig, *, timeout: float) -> None:
        self._address = address
        self._config = config
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._number = 0

    def ask(self, api: tuple[int, int], body: bytes, *, most: int) -> bytes:
        """Send a request; return the beginning of the answer's body.

        Args:
            api: Number and version of the request, one with the request header v1.
            body: Everything after the header.
            most: Bytes of the answer that are wanted.

        Raises:
            PeekError: The broker cannot be reached, refuses the credentials, or answers something else.
        """
        try:
            if self._socket is None:
                self._socket = self._open()
            return self._ask(self._socket, api, body, most)
        except (OSError, ValueError, struct.error, SaslError, DiagnosedError) as exc:
            self.close()
            message = f"broker {self._address[0]}:{self._address[1]} cannot be asked: {exc}"
            raise PeekError(message) from exc

    def close(self) -> None:
        """Leave the broker."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> socket.socket:
        connection = socket.create_connection(self._address, self._timeout)
        try:
            if self._config.security_protocol.endswith("SSL"):
                # Certificate and host name are verified, as librdkafka does.
                context = TlsIdentity.load(self._config.kafka_config).context
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                connection = context.wrap_socket(connection, server_hostname=self._address[0])
            if self._config.security_protocol.startswith("SASL"):
                self._log_in(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _log_in(self, connection: socket.socket) -> None:
        kafka = self._config.kafka_config
        mechanism = (kafka.mechanism if kafka is not None else "PLAIN").encode()
        answer = self._ask(connection, _SASL_HANDSHAKE, struct.pack(">h", len(mechanism)) + mechanism, _PART)
        _require_no_error(struct.unpack_from(">h", answer)[0])
        steps = exchange(self._config)
        try:
            data = next(steps)
            while True:
                answer = self._ask(connection, _SASL_AUTHENTICATE, struct.pack(">i", len(data)) + data, _PART)
                code, length = struct.unpack_from(">hh", answer)
                _require_no_error(code)
                at = 4 + max(length, 0)
                (size,) = struct.unpack_from(">i", answer, at)
                data = steps.send(answer[at + 4 : at + 4 + max(size, 0)])
        except StopIteration:
            return

    def _ask(self, connection: socket.socket, api: tuple[int, int], body: bytes, most: int) -> bytes:
        self._number = self._number + 1 & 0x7FFFFFFF
        header = struct.pack(">hhih", *api, self._number, len(_CLIENT_ID)) + _CLIENT_ID
        connection.sendall(struct.pack(">i", len(header) + len(body)) + header + body)
        size, number = struct.unpack(">ii", _receive(connection, 8))
        left = size - 4
        if number != self._number or left < 0:
            message = "the answer is not one of Kafka's protocol"
            raise ValueError(message)
        wanted = _receive(connection, min(left, most))
        left -= len(wanted)
        if left > _LEFT_UNREAD:
            self.close()
        while self._socket is not None and left:
            left -= len(_receive(connection, min(left, _PART)))
        return wanted


def _receive(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(min(size - len(parts), _PART))
        if not part:
            message = "the connection was closed"
            raise ConnectionError(message)
        parts += part
    return bytes(parts)


def _require_no_error(code: int) -> None:
    if code:
        message = f"error {code} of Kafka's protocol"
        raise ValueError(message)
