"""Reads the header ``Idempotency-Key``, and derives from it the key of each event of a request."""

from __future__ import annotations

import re
from collections.abc import Sequence

from telemetry.gateway.request.refused_request import RefusedRequestError

MAX_CHARACTERS = 200
"""With the number of the event it is still an idempotency key of ``log()``."""

KEY_PATTERN = f"^[\\x21\\x23-\\x5b\\x5d-\\x7e]{{1,{MAX_CHARACTERS}}}$"
"""Visible ASCII characters other than quotation marks and backslashes."""

_KEY = re.compile(KEY_PATTERN)


def idempotency_key_of(headers: Sequence[str]) -> str | None:
    """Return the key of a request; None if it has none.

    The value is a text in quotation marks, as the IETF's draft of the header says (draft-ietf-httpapi-idempotency-key-header,
    a String of RFC 9651), or the same without them, as most clients send it.

    Args:
        headers: Values of the headers ``Idempotency-Key``.

    Raises:
        RefusedRequestError: It is no such key, or there are several (400).
    """
    if not headers:
        return None
    # Two headers joined, as a proxy may do it, have a comma and a space; as a key that is refused too.
    text = ", ".join(headers).strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if not _KEY.fullmatch(text):
        detail = (
            f"Idempotency-Key must have 1 to {MAX_CHARACTERS} visible ASCII characters without quotation marks and "
            "backslashes, such as a UUID"
        )
        raise RefusedRequestError(400, detail)
    return text


def key_at(key: str, index: int) -> str:
    """Return the idempotency key of one event of a request.

    It is an argument of ``log()`` under the caller's own service, so keys of two callers never meet, and the same at every
    gateway.

    Args:
        key: Key of the request.
        index: Place of the event in it, from 0.
    """
    return f"request:{key}:{index}"
