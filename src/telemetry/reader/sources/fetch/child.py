"""Runs fetch sessions in processes with bounded memory; this is the program of those processes.

The first process only starts sessions: it has one thread and the client's library loaded, so that a session costs a
fork and not a start of Python. Each session is a forked process. Kafka's client ends its process when it gets no memory
for what it unpacks; here the thread that unpacks stops instead, the session passes on everything that came before the
batch, and ends by itself. So the reading process knows exactly which batch it was.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import select
import signal
import sys
from io import FileIO
from pathlib import Path

from telemetry.exceptions import ConfigurationError
from telemetry.reader.sources.fetch.frames import (
    LENGTH,
    MAX_FRAME_BYTES,
    Command,
    Ended,
    Exhausted,
    Failure,
    Report,
    Start,
    Stop,
    decode_command,
    framed,
)
from telemetry.reader.sources.fetch.session import FetchSession
from telemetry.system.core_dumps import disable_core_dumps

_IN, _OUT, _ERRORS = 0, 1, 2
_FAILED = -196
"""librdkafka's number of a failure without a number of its own."""
_STACK_BYTES = 1 << 20
_ATTRIBUTES_BYTES = 64
"""More than the pthread_attr_t of every Linux."""
_STATUS = Path("/proc/self/status")


def main() -> None:
    """Start a session for each ``Start`` on standard input, until it is closed."""
    # Credentials and records are in its memory.
    with contextlib.suppress(ConfigurationError):
        disable_core_dumps()
    _limit_stacks()
    commands, reports = FileIO(_IN, "rb"), FileIO(_OUT, "wb")
    gc.freeze()
    while (command := _next_command(commands)) is not None:
        # Commands to a session that has ended meanwhile are dropped.
        if not isinstance(command, Start):
            continue
        pid = os.fork()
        if pid == 0:
            _run_session(command, commands, reports)
        os.waitpid(pid, 0)
        _send(reports, Ended())


def _run_session(start: Start, commands: FileIO, reports: FileIO) -> None:
    """Run a session in this forked process, and end the process."""
    try:
        _fetch(start, commands, reports)
    except (MemoryError, SystemError):
        # The client's extension raises the latter where it had no memory for a record.
        _send(reports, Exhausted())
    except (BrokenPipeError, EOFError):
        pass  # the reading process has left
    except Exception as exc:  # noqa: BLE001 - whatever it is, no record may be blamed for it
        _send(reports, Failure(_FAILED, f"fetching failed: {type(exc).__name__}", is_remark=False))
    finally:
        # Without the client's own end: one of its threads may have stopped in the middle of its work.
        os._exit(0)


def _fetch(start: Start, commands: FileIO, reports: FileIO) -> None:
    stopped = _stop_instead_of_ending()
    session = FetchSession(start)
    if start.room is not None:
        _limit_memory(start.room)
    while True:
        for report in session.step():
            _send(reports, report)
        if _is_readable(stopped):
            # The thread that ran out of memory has stopped. What it delivered before comes first.
            for report in session.drain():
                _send(reports, report)
            _send(reports, Exhausted())
            return
        while _is_readable(_IN):
            command = _next_command(commands)
            if command is None or isinstance(command, Stop):
                return
            if not isinstance(command, Start):
                session.obey(command)


def _next_command(commands: FileIO) -> Command | None:
    head = _read(commands, LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    command: Command = decode_command(_read(commands, min(LENGTH.unpack(head)[0], MAX_FRAME_BYTES)))
    return command


def _read(stream: FileIO, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size and (part := stream.read(size - len(parts))):
        parts += part
    return bytes(parts)


def _send(stream: FileIO, report: Report) -> None:
    left = memoryview(framed(report))
    while left:
        left = left[stream.write(left) or 0 :]


def _is_readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])


def _stop_instead_of_ending() -> int:
    """Have a thread that calls abort() wait for ever; return a descriptor that becomes readable when one has.

    abort() raises SIGABRT in the thread that calls it; the handler is the C library's own pause(). Before it, the
    client writes to standard error what failed, which is a pipe of this process.
    """
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    os.dup2(writable, _ERRORS)
    library = ctypes.CDLL(None)
    library.signal.argtypes, library.signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
    library.signal(signal.SIGABRT, ctypes.cast(library.pause, ctypes.c_void_p))
    return readable


def _limit_stacks() -> None:
    """Give threads small stacks: the client has one thread for each broker, and each counts as used memory."""
    with contextlib.suppress(AttributeError, OSError):
        library = ctypes.CDLL(None)
        attributes = ctypes.create_string_buffer(_ATTRIBUTES_BYTES)
        library.pthread_attr_init(attributes)
        library.pthread_attr_setstacksize(attributes, ctypes.c_size_t(_STACK_BYTES))
        library.pthread_setattr_default_np(attributes)


def _limit_memory(room: int) -> None:
    """Bound the memory of this process to what it has now, and ``room`` more; Linux alone enforces that."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 - not on Windows

    with contextlib.suppress(OSError, ValueError):
        text = _STATUS.read_text()
        used = int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmData:"))) << 10
        resource.setrlimit(resource.RLIMIT_DATA, (used + room, used + room))


if __name__ == "__main__":
    main()
