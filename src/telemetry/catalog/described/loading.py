"""Loads a catalogue by the name of its variable, or from an exported document."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from telemetry.catalog.catalog import AuditCatalog
from telemetry.catalog.described.described_catalog import DescribedCatalog, describe
from telemetry.catalog.described.document import MAX_BYTES, from_document
from telemetry.exceptions import ConfigurationError, Problem

_HOW = "write module:variable, such as shop.events:catalog, or name a file of `telemetry catalog export`"


def load_catalog(text: str, *, option: str) -> DescribedCatalog:
    """Return a catalogue.

    Args:
        text: ``module:variable``, which imports the module from the present folder or the environment; or a file that ends
            in ``.json``, of which nothing is executed.
        option: Name of the option, for errors.

    Raises:
        ConfigurationError: There is no such catalogue.
    """
    if text.endswith(".json"):
        return from_document(_content(Path(text), option), name=text)
    module, separator, variable = text.partition(":")
    if not separator or not module or not variable:
        raise ConfigurationError(Problem(option, f"{text[:64]!r} names no catalogue", _HOW))
    found = _imported(module, option)
    for name in variable.split("."):
        found = getattr(found, name, None)
    if not isinstance(found, AuditCatalog):
        raise ConfigurationError(Problem(option, f"{text[:64]!r} is no AuditCatalog", _HOW))
    return describe(found)


def _content(path: Path, option: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise ConfigurationError(
            Problem(option, f"{path} cannot be read: {exc.strerror}", "name a readable file")
        ) from exc


def _imported(module: str, option: str) -> object:
    # As for a web server that is given an application: the program's own folder comes first.
    folder = str(Path.cwd())
    sys.path.insert(0, folder)
    try:
        return import_module(module)
    except Exception as exc:
        reason = f"the module {module[:64]!r} cannot be imported: {type(exc).__name__}: {exc}"
        raise ConfigurationError(Problem(option, reason, "run the command where the program runs")) from exc
    finally:
        sys.path.remove(folder)
