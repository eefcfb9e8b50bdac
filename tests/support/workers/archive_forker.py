"""Runs ``telemetry archive`` again and again in forked processes that share one start, and kills some at a chosen step.

It speaks as ``command_forker.py`` does. A first word such as ``@before-seal`` names the step at which the process kills
itself, and ``@after-the-rival`` lets another archiver create the next seal first: nothing of the product knows of it.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from telemetry.archive.committing import catching_up
from telemetry.cli import main
from telemetry.format.archive.seal_note import seal_name
from telemetry.reader.seals.store import SealStore
from telemetry.storage.aws_s3 import AwsS3Provider
from telemetry.storage.local_file import LocalFileProvider
from tests.support.moto_header import WITH_HEADER

AwsS3Provider._client_options = WITH_HEADER  # type: ignore[assignment,method-assign]

# What the command imports when it is called; pyarrow starts its threads when they are needed.
for _name in ("telemetry.cli.app", "telemetry.cli.commands.keep.archive", "telemetry.cli.archiving.archive_run"):
    importlib.import_module(_name)

_FLAGS = {0: os.O_RDONLY, 1: os.O_WRONLY | os.O_CREAT | os.O_APPEND, 2: os.O_WRONLY | os.O_CREAT | os.O_APPEND}


def die(*_arguments: Any, **_named: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> None:
        function(*arguments, **named)
        die()

    return call


def second_file(function: Callable[..., Any]) -> Callable[..., Any]:
    names: list[str] = []

    def put(self: Any, name: str, data: bytes) -> None:
        names.extend([name] if name.startswith("events/data/") else [])
        if len(names) == 2:
            die()
        function(self, name, data)

    return put


def after_the_rival(function: Callable[..., Any]) -> Callable[..., Any]:
    def create(self: SealStore, number: int, data: bytes) -> Any:
        name = seal_name(number)
        while not any(stored.name == name for stored in self.store.list(name)):
            time.sleep(0.02)
            if os.getppid() == 1:  # the test has ended
                os._exit(1)
        return function(self, number, data)

    return create


def arm(step: str) -> None:
    """Have the process kill itself at a step of the next commit."""
    if step == "@second-file":
        LocalFileProvider.put = second_file(LocalFileProvider.put)  # type: ignore[method-assign]
    elif step == "@before-seal":
        SealStore.create = die  # type: ignore[method-assign,assignment]
    elif step == "@after-seal":
        SealStore.create = after(SealStore.create)  # type: ignore[method-assign]
    elif step == "@after-table":
        catching_up._register = after(catching_up._register)
    elif step == "@after-the-rival":
        SealStore.create = after_the_rival(SealStore.create)  # type: ignore[method-assign]
    else:
        raise ValueError(step)


def run(arguments: list[str], files: list[str]) -> None:
    """Become the command."""
    for descriptor, (flags, name) in enumerate(zip(_FLAGS.values(), files, strict=True)):
        opened = os.open(name, flags, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    if arguments[0].startswith("@"):
        arm(arguments.pop(0))
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    sys.argv = ["telemetry", *arguments]
    main()


def answer(line: str) -> None:
    sys.__stdout__.write(line + "\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


for request in sys.stdin:
    wanted = json.loads(request)
    pid = os.fork()
    if pid == 0:
        run(wanted["arguments"], wanted["files"])
        break
    answer(str(pid))
    answer(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
