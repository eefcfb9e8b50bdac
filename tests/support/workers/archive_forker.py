"""Runs ``telemetry archive`` again and again in forked processes that share one start, and kills some at a chosen step.

It speaks as ``forked_command.py`` says. A first word such as ``@before-seal`` names the step at which the process kills
itself, and ``@after-the-rival`` lets another archiver create the next seal first: nothing of the product knows of it.
"""

from __future__ import annotations

import importlib
import os
import signal
import time
from collections.abc import Callable
from typing import Any

from telemetry.archive.committing import catching_up
from telemetry.format.archive.seal_note import seal_name
from telemetry.reader.seals.store import SealStore
from telemetry.storage.aws_s3 import AwsS3Provider
from telemetry.storage.local_file import LocalFileProvider
from tests.support.forked_command import serve
from tests.support.moto_header import WITH_HEADER

AwsS3Provider._client_options = WITH_HEADER  # type: ignore[assignment,method-assign]

# What the command imports when it is called; pyarrow starts its threads when they are needed.
for _name in ("telemetry.cli.app", "telemetry.cli.commands.keep.archive", "telemetry.cli.archiving.archive_run"):
    importlib.import_module(_name)


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


def prepared(arguments: list[str]) -> list[str]:
    """Arm the process if the first word names a step; return the other words."""
    if not arguments[0].startswith("@"):
        return arguments
    arm(arguments[0])
    return arguments[1:]


serve(prepared)
