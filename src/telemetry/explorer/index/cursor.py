"""Writes and reads the cursor of a page: it comes back from a browser, so that nothing in it is believed."""

from __future__ import annotations

import re

from telemetry.exceptions import ConfigurationError, Problem
from telemetry.explorer.index.store.line import MAX_LABEL, Key, id_bytes_of

_FORM = re.compile(rf"([0-9a-f]{{32}})([0-9a-f]{{64}})~(.{{0,{MAX_LABEL}}})", re.DOTALL)


def cursor_of(time: str, event_id: str, leaf: bytes) -> str:
    """Return the cursor of a page that begins after a row.

    Args:
        time: Time of the row, as the index has it.
        event_id: Its id.
        leaf: Leaf hash of its record.
    """
    # The time is last: that of a record that stays sealed may be any text.
    return f"{id_bytes_of(event_id).hex()}{leaf.hex()}~{time}"


def parse_cursor(text: str) -> Key:
    """Return the key of the last row of the page before.

    Args:
        text: What :func:`cursor_of` returned.

    Raises:
        ConfigurationError: It is no such text.
    """
    form = _FORM.fullmatch(text)
    if form is None:
        raise ConfigurationError(Problem("after", "is not the end of a page", "begin with the first page again"))
    return form[3], bytes.fromhex(form[1]), bytes.fromhex(form[2])
