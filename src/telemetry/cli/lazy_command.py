"""Lists a command in a help text without building it, and builds it when it is called.

Building means importing the command's module with everything that the command works with, and turning its options into
parsers, for which typer loads pydantic. A help text needs neither.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

from typer import Typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


class Entry(NamedTuple):
    """One row of the command's table.

    Attributes:
        name: Name of the subcommand.
        module: Module whose ``app`` is the subcommand, or a group of subcommands.
        help: One line for the list of commands; it may use rich's markup.
    """

    name: str
    module: str
    help: str


class LazyCommand(TyperCommand):
    """A command of which only name and help are known until it is called.

    Every call of a command, and every completion below it, begins with ``make_context``. The real command takes over
    there, because the parser continues with the command of the context that it gets back.

    Args:
        name: Name of the command.
        help: Help for the list of commands.
        build: Returns the real command.
    """

    def __init__(self, name: str, *, help: str, build: Callable[[], Any]) -> None:  # noqa: A002 - the name is typer's
        super().__init__(name, help=help)
        self._build = build

    def load(self) -> Any:
        """Return the real command."""
        return self._build()

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Build the real command, and begin its call."""
        return self.load().make_context(info_name, args, parent=parent, **extra)


def lazy_group(entries: Sequence[Entry]) -> type[TyperGroup]:
    """Return the class of a group that consists of the table's commands."""

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            for entry in entries:
                self.add_command(load_lazily(entry))

    return LazyGroup


def load_lazily(entry: Entry) -> LazyCommand:
    """Return the command of a row; its module is imported when it is called."""

    def build() -> Any:
        app: Typer = import_module(entry.module).app
        is_group = app.registered_callback is not None or len(app.registered_commands) > 1
        return _group(entry, app) if is_group else _command(entry.name, app)

    return LazyCommand(entry.name, help=entry.help, build=build)


def _group(entry: Entry, app: Typer) -> TyperGroup:
    group = TyperGroup(name=entry.name, help=entry.help, no_args_is_help=True)
    for info in app.registered_commands:
        if info.callback is None:
            continue
        name = info.name or info.callback.__name__.replace("_", "-")
        alone = Typer(add_completion=False)
        alone.registered_commands.append(info)
        group.add_command(
            LazyCommand(name, help=inspect.getdoc(info.callback) or "", build=partial(_command, name, alone))
        )
    return group


def _command(name: str, app: Typer) -> Any:
    command = get_command(app)
    command.name = name
    # Typer keeps the line ends of a docstring below its first paragraph, which a narrower terminal would break again.
    paragraphs = (command.help or "").split("\n\n")
    command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    return command
