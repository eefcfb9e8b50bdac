"""Decides which requests are recorded: by method, by path, by outcome."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable
from typing import Literal

from telemetry.exceptions import ConfigurationError
from telemetry.outcome import Outcome

Methods = Literal["writes", "all"] | Iterable[str]

_SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
_MAX_PATH = 2_048
_TOKEN = re.compile(r"[A-Z][A-Z-]{0,31}")


class RequestRules:
    """Says whether a request is recorded.

    Args:
        methods: ``writes`` (all but GET, HEAD, OPTIONS and TRACE), ``all``, or names. HEAD is recorded where GET is. An answer
            that denies access is recorded for every method but OPTIONS, which a browser sends without credentials.
        include: Patterns of routes (``*`` is any text, ``?`` one character); only these are recorded. None means every route.
        exclude: Patterns of routes that are not recorded, whatever happens.

    Attributes:
        methods: The methods, as an event names them.

    Raises:
        ConfigurationError: A method is no name of one.
    """

    def __init__(
        self, *, methods: Methods = "writes", include: Iterable[str] = (), exclude: Iterable[str] = ()
    ) -> None:
        self._is_all = methods == "all"
        self._named = None if isinstance(methods, str) and methods in {"all", "writes"} else _names(methods)
        self.methods = str(methods) if self._named is None else sorted(self._named)
        self._include = _pattern(include, "include")
        self._exclude = _pattern(exclude, "exclude")

    def wants(self, method: str, *, route: str | None, path: str, outcome: Outcome) -> bool:
        """Return whether a request is recorded.

        Args:
            method: Its method.
            route: Template of the route; None where none matched, and the patterns then see the path.
            path: Its path.
            outcome: How it ended.
        """
        return self._wants_method(method, outcome) and self._wants_path(route or path[:_MAX_PATH])

    def _wants_method(self, method: str, outcome: Outcome) -> bool:
        if self._is_all:
            return True
        if outcome == "denied" and method != "OPTIONS":
            return True
        if self._named is None:
            return method not in _SAFE
        return method in self._named or (method == "HEAD" and "GET" in self._named)

    def _wants_path(self, path: str) -> bool:
        if self._exclude is not None and self._exclude.match(path):
            return False
        return self._include is None or self._include.match(path) is not None


def _names(methods: Iterable[str]) -> frozenset[str]:
    names = () if isinstance(methods, str) else tuple(methods)
    if not names or not all(isinstance(name, str) and _TOKEN.fullmatch(name.upper()) for name in names):
        message = f'methods: {methods!r} is not "writes", not "all", and no list of methods'
        raise ConfigurationError(message)
    return frozenset(name.upper() for name in names)


def _pattern(patterns: Iterable[str], option: str) -> re.Pattern[str] | None:
    given = (patterns,) if isinstance(patterns, str) else tuple(patterns)
    if not all(isinstance(pattern, str) and pattern for pattern in given):
        message = f"{option}: each pattern is a text such as '/orders/*'"
        raise ConfigurationError(message)
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in given)) if given else None
