"""A line has the members that were asked for, nothing that is hidden, and the marks of what may be forged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from telemetry.cli.output.column_line import ColumnLine
from telemetry.exceptions import ConfigurationError
from telemetry.format.value.members import Change
from telemetry.reader import Proven
from tests.support.some_events import opened

PAYLOAD: dict[str, Any] = {"client": {"ip": "10.0.0.9"}, "total": -5, "evil": "\x1b[2J", "paid": True}


def _line(columns: str, *, with_sensitive: bool = False, **fields: Any) -> str:
    event = opened(**{"payload": PAYLOAD, **fields})
    return ColumnLine(columns).line(event, with_sensitive=with_sensitive).plain


def test_members_in_their_order() -> None:
    columns = "user_id,payload.client.ip,payload.total,payload.paid,payload.client,kafka.offset"

    assert _line(columns) == 'user-1  10.0.0.9  -5  true  {"ip":"10.0.0.9"}  41'


def test_absent_member_is_a_hyphen() -> None:
    assert _line("payload.none,user_id,outcome") == "-  user-1  -"


def test_control_characters_are_escaped() -> None:
    assert _line("payload.evil") == r"\x1b[2J"


@pytest.mark.parametrize("column", ["payload.total", "/payload/total", "payload", "changes.role.new"])
def test_sensitive_content_is_hidden(column: str) -> None:
    changes = {"role": Change(new="-5")}

    assert _line(f"user_id,{column}", sensitive=True, changes=changes) == "user-1  (sensitive: --sensitive shows it)"
    assert "-5" in _line(f"user_id,{column}", sensitive=True, changes=changes, with_sensitive=True)


def test_record_that_may_be_forged_is_marked() -> None:
    forged = replace(opened(), sealed=False, proven=Proven.NO, is_foreign=True)

    assert ColumnLine("user_id").line(forged).plain == "NOT SEALED  FOREIGN  NOT PROVEN  user-1"


@pytest.mark.parametrize("columns", ["", "a,a", "a..b"])
def test_columns_that_cannot_be_read(columns: str) -> None:
    with pytest.raises(ConfigurationError, match="--columns"):
        ColumnLine(columns)
