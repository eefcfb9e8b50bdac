"""Lists a command in a help text without building it, and builds it when it is called.

Building means importing the command's module with everything that the command works with, and turning its options into
parsers, for which typer loads pydantic. A help text needs neither.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

from typer import Typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command
from typer.models import CommandInfo


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
    """A command of which only name and help are known until it is called; a subclass says how it is built.

    Every call of a command, and every completion below it, begins with ``make_context``. The real command takes over
    there, because the parser continues with the command of the context that it gets back.
    """

    def load(self) -> Any:
        """Return the real command."""
        raise NotImplementedError

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Build the real command, and begin its call."""
        return self.load().make_context(info_name, args, parent=parent, **extra)


class ModuleCommand(LazyCommand):
    """A row of the table: the command, or the group of commands, of a module that is imported when it is called.

    Args:
        entry: The row.
    """

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.name, help=entry.help)
        self._entry = entry

    def load(self) -> Any:
        """Import the module, and build its command."""
        app: Typer = import_module(self._entry.module).app
        if app.registered_callback is None and len(app.registered_commands) == 1:
            return _built(self._entry.name, app)
        group = TyperGroup(name=self._entry.name, help=self._entry.help, no_args_is_help=True)
        for info in app.registered_commands:
            group.add_command(GroupCommand(info))
        return group


class GroupCommand(LazyCommand):
    """A command of a group; its module is imported already, but its options are not parsers yet.

    Args:
        info: The command as typer registered it.
    """

    def __init__(self, info: CommandInfo) -> None:
        function: Any = info.callback
        super().__init__(info.name or function.__name__.replace("_", "-"), help=inspect.getdoc(function))
        self._info = info

    def load(self) -> Any:
        """Build the command."""
        # An application of this one command, so that calling it does not build its siblings.
        alone = Typer(add_completion=False)
        alone.registered_commands.append(self._info)
        return _built(self.name, alone)


def lazy_group(entries: Sequence[Entry]) -> type[TyperGroup]:
    """Return the class of a group that consists of the table's commands."""

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            for entry in entries:
                self.add_command(ModuleCommand(entry))

    return LazyGroup


def _built(name: str | None, app: Typer) -> Any:
    command = get_command(app)
    command.name = name
    # Typer keeps the line ends of a docstring below its first paragraph, which a narrower terminal would break again.
    paragraphs = (command.help or "").split("\n\n")
    command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    return command
