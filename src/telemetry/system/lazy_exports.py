"""Loads the public names of a package on first use, so that importing the package costs next to nothing."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # type checkers read the name; `typing` alone would cost a quarter of a small program's start
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any


def lazy_exports(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a module's ``__getattr__`` (PEP 562) that imports each public name from its home on first use.

    Args:
        package: Full name of the module that exports the names.
        homes: Public name to the full name of the module that defines it.

    Returns:
        The function; it raises ``AttributeError`` for every other name.
    """

    def load(name: str) -> Any:
        if name not in homes:
            message = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(message, name=name, obj=sys.modules[package])
        from importlib import import_module  # noqa: PLC0415 - a program that uses no name need not load it

        value = getattr(import_module(homes[name]), name)
        # From now on the module has the name itself, and this function is no longer asked for it.
        setattr(sys.modules[package], name, value)
        return value

    return load
