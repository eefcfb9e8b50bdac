from __future__ import annotations

import enum
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func

from telemetry.integrations.sqlalchemy.row_values import identity_text, shown
from tests.support.sqlalchemy_shop import Untellable


class Level(enum.IntEnum):
    LOW = 1


def test_exact_values_stay() -> None:
    values = [None, True, 7, 1.5, Decimal("9.90"), datetime(2021, 1, 1, tzinfo=UTC), UUID(int=1), "text"]

    assert [shown(value) for value in values] == values


def test_copy_is_not_changed_later() -> None:
    value = {"list": [1, {"deep": "x"}]}
    copy = shown(value)
    value["list"].append(2)

    assert copy == {"list": [1, {"deep": "x"}]}


def test_value_without_text() -> None:
    assert shown(Untellable()) == "<Untellable>"
    assert shown({Untellable(): 1}) == {"<Untellable>": 1}


def test_endless_value_is_bounded() -> None:
    endless: list[object] = list(range(150))
    endless[0] = endless

    found = shown(endless)

    assert len(found) == 101
    assert found[-1] == "[50 more]"
    assert found[0][0][0][0][0][0] == "[150 values]"


def test_expression_and_enum() -> None:
    assert shown(func.now()) == "[computed by the database]"
    assert shown(Level.LOW) == "LOW"


def test_identity_of_several_columns() -> None:
    assert identity_text([7]) == 7
    assert identity_text([7, "a,b"]) == '[7,"a,b"]'
    assert identity_text([UUID(int=1), None]) is None
    assert identity_text([]) is None
