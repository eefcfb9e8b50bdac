"""Turns values of a configuration into what may be shown: no secret, nothing that fills the screen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

MASK = "********"
_SECRET = re.compile(r"password|passphrase|passwd|secret|token|credential|private|jaas|apikey|api_key", re.IGNORECASE)
_PLACES = re.compile(r"_(?:file|files|path|location|url|seconds|ms)$", re.IGNORECASE)
_USER_OF_URL = re.compile(r"(?<=://)[^/?#\s]*@")
_QUERY_OF_URL = re.compile(r"(?<=\?)\S+")
_SHOWN_CHARACTERS = 200
_SHOWN_OF_AN_ID = 4


def shown_value(name: str, value: Any) -> Any:
    """Return a value as JSON may have it, with secrets masked.

    Args:
        name: Name of the field, or of the entry of a mapping: a text whose name says that it is a secret is masked too,
            because a third party's provider may declare its secrets as plain text.
        value: The value.
    """
    if isinstance(value, SecretStr | SecretBytes):
        return MASK
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, BaseModel):
        given = {each: getattr(value, each) for each in value.model_fields_set}
        return shown_value(
            name, {each: given[each] for each in type(value).model_fields if given.get(each) is not None}
        )
    if isinstance(value, Mapping):
        return {str(each): shown_value(str(each), inner) for each, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [shown_value(name, inner) for inner in value]
    return (
        value.isoformat()
        if isinstance(value, datetime)
        else _shown_text(name, str(value), is_path=isinstance(value, Path))
    )


def _shown_text(name: str, text: str, *, is_path: bool) -> str:
    if _SECRET.search(name) and not is_path and not _PLACES.search(name):
        return MASK
    if name == "aws_access_key_id":
        return f"{MASK}{text[-_SHOWN_OF_AN_ID:]}" if len(text) > 2 * _SHOWN_OF_AN_ID else MASK
    if "://" in text:
        text = _QUERY_OF_URL.sub(MASK, _USER_OF_URL.sub(f"{MASK}@", text))
    line = text.partition("\n")[0]
    return text if line == text and len(text) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}..."
