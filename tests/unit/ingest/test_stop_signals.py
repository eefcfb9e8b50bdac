from __future__ import annotations

import io
import os
import signal
import threading
from pathlib import Path

import pytest

from telemetry.exceptions import InputError
from telemetry.ingest.framing.byte_source import StreamSource
from telemetry.ingest.stop_signals import StopSignals


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_signal_ends_a_read_that_waits(number: signal.Signals, code: int) -> None:
    read, write = os.pipe()
    # Under `nohup` a hangup is ignored, and would stay so.
    outside = signal.signal(number, signal.default_int_handler)
    before = signal.getsignal(number)
    with StopSignals() as stop, os.fdopen(read, "rb") as stream, os.fdopen(write, "wb", 0) as writer:
        writer.write(b"begun")
        source = StreamSource(stream, stop)
        pieces = iter(source)
        assert next(pieces) == b"begun"
        threading.Timer(0.05, os.kill, (os.getpid(), number)).start()

        # Nobody writes and nobody closes: only the signal ends this.
        assert list(pieces) == []

        assert (stop.exit_code, stop.name) == (code, number.name)
        assert not source.is_ended
    assert signal.getsignal(number) is before
    signal.signal(number, outside)


def test_first_signal_counts() -> None:
    with StopSignals() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)

        assert stop.pause(60.0)
        assert stop.exit_code == 143


def test_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop.is_asked
    finally:
        signal.signal(signal.SIGHUP, before)


def test_end_without_a_signal() -> None:
    with StopSignals() as stop:
        stop.ask()

        assert stop.pause(60.0)
        assert stop.exit_code == 0


def test_other_thread_catches_no_signal() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def enter() -> None:
        with StopSignals():
            seen.append(signal.getsignal(signal.SIGTERM))

    seen: list[object] = []
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()

    assert seen == [before]


def test_end_of_a_stream_is_known() -> None:
    read, write = os.pipe()
    os.write(write, b"all")
    os.close(write)
    with StopSignals() as stop, os.fdopen(read, "rb") as stream:
        source = StreamSource(stream, stop)

        assert list(source) == [b"all"]
        assert source.is_ended


def test_stream_that_cannot_be_read(tmp_path: Path) -> None:
    class Folder(io.BytesIO):
        def fileno(self) -> int:
            return folder

    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with StopSignals() as stop, pytest.raises(InputError, match="the input cannot be read: Is a directory"):
            list(StreamSource(Folder(), stop))
    finally:
        os.close(folder)
