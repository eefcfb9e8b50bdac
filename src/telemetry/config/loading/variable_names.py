"""Knows the names of all variables, and warns about those that look like misspelt ones: they would be ignored silently."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel

from telemetry.config.loading.environment import Sections
from telemetry.config.loading.short_variables import PREFIX, SHORT_VARIABLES, FieldPath, long_name

logger = logging.getLogger("telemetry.config")

OF_COMMANDS: Mapping[str, str] = {
    "TELEMETRY_NEW_PASSPHRASE": "the new passphrase, for `telemetry keys change-passphrase`",
    "TELEMETRY_RECOVERY_PASSPHRASE": "the passphrase of a recovery key, for `telemetry keys recovery` and `--recovery-key`",
}
"""Variables of single commands, which belong to no configuration."""
_LIKENESS = 0.8
_MAX_SUSPECTS = 20


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the class of a section, which may be optional; None for the annotation of any other field."""
    candidates = [kind for kind in _members(annotation) if kind is not NoneType]
    found = candidates[0] if len(candidates) == 1 else None
    return found if isinstance(found, type) and issubclass(found, BaseModel) else None


def _members(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    arguments = get_args(annotation)
    return [member for each in arguments for member in _members(each)] if arguments else [annotation]


def field_paths(model: type[BaseModel] = Sections, above: FieldPath = ()) -> Iterator[FieldPath]:
    """Yield the path of each field of a model and of its sections."""
    for name, field in model.model_fields.items():
        section = section_of(field.annotation)
        if section is None:
            yield (*above, name)
        else:
            yield from field_paths(section, (*above, name))


@cache
def long_names() -> Mapping[str, FieldPath]:
    """Return every variable with a long name, and the path of its field."""
    return {long_name(path): path for path in field_paths()}


def short_name(path: FieldPath) -> str | None:
    """Return the short variable that stands for this field alone; None if there is none."""
    return next((each.name for each in SHORT_VARIABLES if each.paths == [path]), None)


def variable_for_absent(path: FieldPath) -> str | None:
    """Return the short variable that gives a field, or that fills the section; None if there is none."""
    filling = (each.name for each in SHORT_VARIABLES if each.read and each.section == path)
    return short_name(path) or next(filling, None)


def suspects(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return variables that look like misspelt ones, each with the name that was probably meant; at most 20.

    A name below a section, such as ``TELEMETRY_AUDIT_CONFIG__KAFKA_BROKER``, is not among them: loading refuses it.

    Args:
        names: Names of variables, of other programs too.
    """
    ours = sorted({name.upper() for name in names if name.upper().startswith(PREFIX)})
    found = ((name, nearest(name)) for name in ours if not _is_known(name))
    return [(name, other) for name, other in found if other is not None][:_MAX_SUSPECTS]


def nearest(name: str) -> str | None:
    """Return the known variable that a name resembles, or None."""
    stem = name.removeprefix(PREFIX)
    alike = [each.name for each in SHORT_VARIABLES if each.stem.endswith(f"_{stem}")]
    if len(alike) == 1:
        return alike[0]
    known = _known_by_text()
    close = get_close_matches(stem, known, 1, _LIKENESS)
    return known[close[0]] if close else None


@cache
def _known_by_text() -> Mapping[str, str]:
    """Return the variable for each text that somebody may have had in mind: a field's name, or that of a variable."""
    of_fields = {path[-1].upper(): name for name, path in reversed(list(long_names().items()))}
    of_long = {name.removeprefix(PREFIX): name for name in long_names()}
    return of_fields | of_long | {each.stem: each.name for each in SHORT_VARIABLES}


def warn_of_suspects(names: Iterable[str]) -> None:
    """Write a line to the log for each variable that looks like a misspelt one."""
    for name, other in suspects(names):
        logger.warning("the variable %s is unknown and has no effect; did you mean %s?", ascii(name)[1:-1], other)


def _is_known(name: str) -> bool:
    if name in OF_COMMANDS or name in long_names() or any(name == each.name for each in SHORT_VARIABLES):
        return True
    sections = (field for field in Sections.model_fields if section_of(Sections.model_fields[field].annotation))
    return any(name == long_name((each,)) or name.startswith(f"{long_name((each,))}__") for each in sections)
