"""A port may answer anything; the module raises only its own errors."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.kafka.diagnose import wire

_Ask = Callable[[socket.socket], object]
_CORRELATION = 0x7E1E


def _asked(ask: _Ask, answer: bytes) -> object:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5.0)
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        return ask(ours)


def _answer(body: bytes) -> bytes:
    return struct.pack(">ii", len(body) + 4, _CORRELATION) + body


def _mechanism(connection: socket.socket) -> object:
    return wire.ask_mechanism(connection, "PLAIN")


@pytest.mark.parametrize("ask", [wire.ask_versions, wire.ask_metadata, _mechanism])
@given(answer=st.binary(max_size=200) | st.binary(max_size=100).map(_answer))
def test_any_answer_raises_only_own_errors(ask: _Ask, answer: bytes) -> None:
    with contextlib.suppress(wire.NoAnswerError, wire.NotKafkaError):
        _asked(ask, answer)


def test_mechanisms_are_read() -> None:
    body = struct.pack(">hih", 33, 2, 5) + b"PLAIN" + struct.pack(">h", 13) + b"SCRAM-SHA-256"

    assert _asked(_mechanism, _answer(body)) == (33, ["PLAIN", "SCRAM-SHA-256"])


def test_endless_mechanism_list_is_cut_short() -> None:
    with pytest.raises(wire.NotKafkaError):
        _asked(_mechanism, _answer(struct.pack(">hi", 33, 2**31 - 1)))


@pytest.mark.parametrize("size", [0, 3, -1, 2**31 - 1, (1 << 20) + 1])
def test_answer_of_impossible_size_is_refused(size: int) -> None:
    with pytest.raises(wire.NotKafkaError):
        _asked(wire.ask_versions, struct.pack(">ii", size, _CORRELATION))


@pytest.mark.parametrize("answer", [b"\x15\x03\x03\x00\x02\x02\x50", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"])
def test_tls_is_recognised(answer: bytes) -> None:
    with pytest.raises(wire.NotKafkaError) as caught:
        _asked(wire.ask_versions, answer)

    assert caught.value.is_tls


def test_closed_connection_is_no_answer() -> None:
    with pytest.raises(wire.NoAnswerError):
        _asked(wire.ask_versions, b"")
