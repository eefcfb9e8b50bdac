"""Writes the command that finds the same events as a search."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from telemetry.explorer.site.asked.asking import Asked
from telemetry.explorer.site.asked.fields import FIELDS, OLDEST

MAX_LENGTH = 4_000
"""Characters; a longer command is not shown, because nobody could check it."""
_LAST_SHORT = 0xFFFF


def command_line(asked: Asked, *, base: Sequence[str], program: str = "export") -> str | None:
    """Return the command for a shell; None where no command can ask for the same, or where it is too long.

    Args:
        asked: The search.
        base: Options that say where the trail is and who is trusted.
        program: The command, such as ``export``.
    """
    if asked.search is None or any(not FIELDS[name].is_option for name in asked.values):
        return None
    words = ["telemetry", program, *base]
    for name, texts in asked.values.items():
        # With the equals sign no value is taken for an option.
        words += [f"--{name}"] if FIELDS[name].kind == "check" else [f"--{name}={text}" for text in texts]
    line = " ".join(map(quoted, words))
    return line if len(line) <= MAX_LENGTH else None


def is_in_command_order(asked: Asked) -> bool:
    """Return whether the command writes the events in the order of the search: the oldest first."""
    return asked.order == OLDEST


def quoted(word: str) -> str:
    r"""Return a word for a shell; characters that cannot be seen are written as escapes (``$'...'`` of bash, zsh and ksh)."""
    if word.isprintable():
        return shlex.quote(word)
    return f"$'{''.join(map(_escaped, word))}'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number <= _LAST_SHORT else f"\\U{number:08x}"
