"""Finds the value that a path names in a foreign log line.

    user.name                          names, separated by dots
    target.0.id  target[0].id  a.-1    items of a list; negative ones count from its end
    annotations."example.com/decision" a name with dots, in quotes
    parameters[name=email].value       the first item of a list whose member ``name`` has this text
    /annotations/example.com~1decision a JSON Pointer (RFC 6901)
    user.email, user.name              several paths: the first that leads to a value

A member of the line itself whose name is the whole path, dots included, wins over nested members.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NoReturn

from telemetry.exceptions import ConfigurationError, Problem

MAX_PATH = 4_096
"""Characters of a path, with all its alternatives."""
MAX_ALTERNATIVES = 32
MAX_STEPS = 32

_REMEDY = 'write it like user.name, target.0.id, annotations."example.com/decision" or /a/0/b'
_INDEX = re.compile(r"-?(?:0|[1-9][0-9]{0,8})", re.ASCII)
_NAME = re.compile(r'[^.,"\[\]]+')
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_ESCAPE = re.compile(r'\\(["\\])')
_BRACKET = re.compile(r"\[([^\[\]]*)\]")
_POINTER = re.compile(r"/[^,]*")
_BAD_ESCAPE = re.compile(r"~(?![01])")


@dataclass(frozen=True, slots=True)
class _Member:
    """A step to the member of an object, or to an item of a list if it is a number."""

    name: str
    index: int | None = None

    def of(self, value: Any) -> Any:
        if isinstance(value, dict):
            return value.get(self.name)
        if self.index is not None and isinstance(value, list) and -len(value) <= self.index < len(value):
            return value[self.index]
        return None


@dataclass(frozen=True, slots=True)
class _Selected:
    """A step to the first item of a list whose member has a text."""

    name: str
    text: str

    def of(self, value: Any) -> Any:
        if not isinstance(value, list):
            return None
        return next((item for item in value if isinstance(item, dict) and item.get(self.name) == self.text), None)


@dataclass(frozen=True, slots=True)
class _Route:
    """One alternative: the name of a member of the line itself that wins, if any, and the steps."""

    whole: str | None
    steps: tuple[_Member | _Selected, ...]

    def of(self, document: Any) -> Any:
        if self.whole is not None and isinstance(document, dict) and self.whole in document:
            return document[self.whole]
        for step in self.steps:
            # Nearly every step is one to the member of an object, for which a call would take most of the time.
            document = (
                document.get(step.name) if type(document) is dict and type(step) is _Member else step.of(document)
            )
            if document is None:
                return None
        return document


class ValuePath:
    """A path that was checked and taken apart once; ``compile_path`` creates it.

    Attributes:
        text: The path as it was written.
    """

    __slots__ = ("_routes", "text")

    def __init__(self, text: str, routes: tuple[_Route, ...]) -> None:
        self.text = text
        self._routes = routes

    def __repr__(self) -> str:
        return f"ValuePath({self.text!r})"

    @property
    def roots(self) -> tuple[str, ...]:
        """The member of the document that each alternative begins with."""
        return tuple(route.steps[0].name for route in self._routes)

    def find(self, document: Any, *, absent: frozenset[str] = frozenset()) -> Any:
        """Return the value at the first alternative that leads to one; None if none does.

        Args:
            document: JSON value: dict, list, text, number, bool or None.
            absent: Texts that mean that there is no value, such as ``-``.
        """
        for route in self._routes:
            value = route.of(document)
            if value is not None and not (isinstance(value, str) and value in absent):
                return value
        return None


def compile_path(text: str, *, option: str) -> ValuePath:
    """Take a path apart.

    Args:
        text: The path, at most ``MAX_PATH`` characters; several are separated by commas.
        option: Where it was written, for the error.

    Raises:
        ConfigurationError: It is not a path, or is too long.
    """
    if not 0 < len(text) <= MAX_PATH:
        raise ConfigurationError(Problem(option, f"a path has 1 to {MAX_PATH} characters", _REMEDY))
    return ValuePath(text, _Parser(text, option).routes())


class _Parser:
    """Reads a path from left to right.

    Args:
        text: The path.
        option: Where it was written, for the error.
    """

    def __init__(self, text: str, option: str) -> None:
        self._text = text
        self._option = option
        self._at = 0

    def routes(self) -> tuple[_Route, ...]:
        """Return the alternatives."""
        routes = [self._route()]
        while self._at < len(self._text):
            self._expect(",")
            routes.append(self._route())
            if len(routes) > MAX_ALTERNATIVES:
                self._refuse(f"has more than {MAX_ALTERNATIVES} alternatives")
        return tuple(routes)

    def _route(self) -> _Route:
        self._skip_spaces()
        start = self._at
        pointer = self._match(_POINTER)
        steps = self._pointer(pointer[0].rstrip(" ")) if pointer else self._dotted()
        if len(steps) > MAX_STEPS:
            self._refuse(f"has more than {MAX_STEPS} steps")
        written = self._text[start : self._at].rstrip(" ")
        is_dotted = pointer is None and "." in written and '"' not in written and "[" not in written
        return _Route(written if is_dotted else None, steps)

    def _dotted(self) -> tuple[_Member | _Selected, ...]:
        steps: list[_Member | _Selected] = [self._name()]
        self._skip_spaces()
        while self._at < len(self._text) and self._text[self._at] != ",":
            if bracket := self._match(_BRACKET):
                steps.append(self._bracket(bracket[1]))
                self._skip_spaces()
                continue
            self._expect(".")
            steps.append(self._name())
            self._skip_spaces()
        return tuple(steps)

    def _name(self) -> _Member:
        if quoted := self._match(_QUOTED):
            return _Member(_ESCAPE.sub(r"\1", quoted[1]))
        if not (plain := self._match(_NAME)) or not (name := plain[0].rstrip(" ")):
            self._refuse("lacks a name")
        return _member(name)

    def _bracket(self, content: str) -> _Member | _Selected:
        if _INDEX.fullmatch(content):
            return _member(content)
        name, equals, text = content.partition("=")
        if not equals or not name:
            self._refuse("has brackets around neither a number nor NAME=TEXT")
        return _Selected(name, text)

    def _pointer(self, text: str) -> tuple[_Member, ...]:
        if _BAD_ESCAPE.search(text):
            self._refuse("has a ~ that is followed by neither 0 nor 1")
        return tuple(_member(part.replace("~1", "/").replace("~0", "~")) for part in text[1:].split("/"))

    def _skip_spaces(self) -> None:
        while self._text[self._at : self._at + 1] == " ":
            self._at += 1

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self._text, self._at)
        if match:
            self._at = match.end()
        return match

    def _expect(self, character: str) -> None:
        if self._text[self._at : self._at + 1] != character:
            self._refuse("cannot be read")
        self._at += 1

    def _refuse(self, reason: str) -> NoReturn:
        raise ConfigurationError(Problem(self._option, f"the path {reason}, at character {self._at + 1}", _REMEDY))


def _member(name: str) -> _Member:
    return _Member(name, int(name) if _INDEX.fullmatch(name) else None)
