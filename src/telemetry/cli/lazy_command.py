"""Lists a command in the help without importing its module, and imports the module when the command is called."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

from typer import Exit
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from telemetry.exceptions import MissingExtraError


class Entry(NamedTuple):
    """One row of the command's table.

    Attributes:
        name: Name of the subcommand.
        module: Module whose ``app`` is the subcommand, or a group of subcommands.
        help: One line for the list of commands, the first paragraph of the command's own help.
        extra: Extra without which the module cannot be imported; empty if it needs none.
    """

    name: str
    module: str
    help: str
    extra: str = ""


class LazyCommand(TyperCommand):
    """A command of which only name and help are known until it is called.

    Every call of a command, and every completion below it, begins with ``make_context``. The real command takes over
    there, because the parser continues with the command of the context that it gets back.

    Args:
        entry: The command's row of the table.
    """

    def __init__(self, entry: Entry) -> None:
        super().__init__(entry.name, help=entry.help)
        self._module = entry.module
        self._extra = entry.extra

    def load(self) -> Any:
        """Import the command's module and return the real command."""
        try:
            module = import_module(self._module)
        except (ModuleNotFoundError, MissingExtraError) as exc:
            if not self._extra:
                raise
            error = MissingExtraError(f"the command {self.name}", self._extra)
            sys.stderr.write(f"error: {error}\n")
            raise Exit(error.exit_code) from exc
        command = get_command(module.app)
        command.name = self.name
        for part in (command, *getattr(command, "commands", {}).values()):
            part.help = _unwrapped(part.help or "")
        return command

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Load the command, and begin its call."""
        return self.load().make_context(info_name, args, parent=parent, **extra)


def lazy_group(entries: Sequence[Entry]) -> type[TyperGroup]:
    """Return the class of a group that consists of the table's commands."""

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            for entry in entries:
                self.add_command(LazyCommand(entry))

    return LazyGroup


def _unwrapped(text: str) -> str:
    # Typer keeps the line ends of a docstring below its first paragraph, which a narrower terminal would break again.
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
