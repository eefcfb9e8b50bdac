"""Runs the command in forked processes that share the start of this one, as a program in ``workers`` asks for it.

It reads one JSON object a line: the words after ``telemetry``, and the files that become the standard streams. It answers
with the process id, and with the exit status when the process has ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable

from telemetry.cli import main

_FLAGS = {0: os.O_RDONLY, 1: os.O_WRONLY | os.O_CREAT | os.O_APPEND, 2: os.O_WRONLY | os.O_CREAT | os.O_APPEND}


def serve(prepared: Callable[[list[str]], list[str]] = list) -> None:
    """Fork a process for each request, until there are no more; in the process itself, return when the command has.

    Args:
        prepared: Called in the process; returns the words that the command gets.
    """
    for request in sys.stdin:
        wanted = json.loads(request)
        pid = os.fork()
        if pid == 0:
            _run(wanted["arguments"], wanted["files"], prepared)
            return
        _answer(str(pid))
        _answer(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))


def _run(arguments: list[str], files: list[str], prepared: Callable[[list[str]], list[str]]) -> None:
    """Become the command."""
    for descriptor, (flags, name) in enumerate(zip(_FLAGS.values(), files, strict=True)):
        opened = os.open(name, flags, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    # The command respects that a signal is ignored, as `nohup` has it, which may have started the tests.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    sys.stdin = os.fdopen(0, "r", closefd=False)
    sys.argv = ["telemetry", *prepared(arguments)]
    main()


def _answer(line: str) -> None:
    sys.__stdout__.write(line + "\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]
