"""Reads the outcome of an action from the words, numbers and codes with which other makers write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

Outcome = Literal["success", "failure", "denied"]
Codes = Literal["http", "grpc"]
"""What whole numbers mean: HTTP status codes (RFC 9110) or the status codes of gRPC (``google.rpc.Code``)."""

_SUCCESS = (
    "success successful successfully succeeded succeed succeeds ok okay pass passed allow allowed allows permit permitted "
    "grant granted approve approved accept accepted authorized yes y true t complete completed verified"
)
_FAILURE = (
    "fail failed fails failure failures unsuccessful error errored errors no n false f invalid exception abort aborted "
    "timeout timed_out cancelled canceled"
)
_DENIED = (
    "deny denied denies block blocked blocks forbid forbidden unauthorized unauthorised unauthenticated refuse refused "
    "reject rejected disallow disallowed not_allowed permission_denied access_denied accessdenied unauthorizedoperation "
    "not_authorized notauthorized prevented dropped locked_out"
)
_WORDS: dict[str, Outcome] = {
    **dict.fromkeys(_SUCCESS.split(), "success"),
    **dict.fromkeys(_FAILURE.split(), "failure"),
    **dict.fromkeys(_DENIED.split(), "denied"),
}

_UNAUTHORIZED, _FORBIDDEN = 401, 403
_FIRST_HTTP, _FIRST_HTTP_ERROR, _LAST_HTTP = 100, 400, 599
_GRPC_OK, _GRPC_LAST = 0, 16
_GRPC_DENIED = frozenset((7, 16))  # PERMISSION_DENIED, UNAUTHENTICATED


class OutcomeTable:
    """Says which outcome a value means.

    Args:
        words: Words of the user's own, by outcome; they win over the common ones. Case does not matter.
        codes: What whole numbers mean.
    """

    def __init__(self, words: Mapping[Outcome, Sequence[str]] = MappingProxyType({}), *, codes: Codes = "http") -> None:
        self._own = {folded(word): outcome for outcome, listed in words.items() for word in listed}
        self._codes = codes

    def read(self, value: Any) -> Outcome | None:
        """Return the outcome; None if the table does not know the value.

        Args:
            value: JSON value: a word, a bool, a status code as number or text.
        """
        if isinstance(value, bool):
            return self._word("true" if value else "false")
        if isinstance(value, int):
            return self._own.get(str(value)) or self._code(value)
        return self._word(value) if isinstance(value, str) else None

    def _word(self, text: str) -> Outcome | None:
        word = folded(text)
        if word in self._own:
            return self._own[word]
        # Three digits at most: a longer number is no status code, and costs nothing.
        if word.isascii() and word.isdigit() and len(word) <= len("599"):
            return self._code(int(word))
        return _WORDS.get(word)

    def _code(self, number: int) -> Outcome | None:
        return _grpc(number) if self._codes == "grpc" else _http(number)


def _http(status: int) -> Outcome | None:
    if status in (_UNAUTHORIZED, _FORBIDDEN):
        return "denied"
    if _FIRST_HTTP <= status < _FIRST_HTTP_ERROR:
        return "success"
    return "failure" if _FIRST_HTTP_ERROR <= status <= _LAST_HTTP else None


def _grpc(status: int) -> Outcome | None:
    if status in _GRPC_DENIED:
        return "denied"
    if status == _GRPC_OK:
        return "success"
    return "failure" if _GRPC_OK < status <= _GRPC_LAST else None


def folded(text: str) -> str:
    """Return a word as the tables have it: ``Access Denied``, ``ACCESS_DENIED`` and ``access-denied`` are one."""
    return "_".join(text.casefold().replace("-", " ").replace("_", " ").split())
