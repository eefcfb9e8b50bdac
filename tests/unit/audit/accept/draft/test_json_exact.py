from __future__ import annotations

import datetime as dt
import enum
import math
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.audit.accept.draft.json_exact import NotExactError, encode_exact, jsonable


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclass
class Point:
    x: int
    _hidden: str = "h"


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(plain)
def test_both_encoders_say_the_same(value: Any) -> None:
    try:
        expected = msgspec.json.decode(msgspec.json.encode(value))
    except (TypeError, OverflowError, ValueError, msgspec.MsgspecError):
        with pytest.raises((TypeError, OverflowError, ValueError)):
            encode_exact(value)
    else:
        assert msgspec.json.decode(encode_exact(value)) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"day": dt.date(2026, 1, 31), "at": dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC), "time": dt.time(1, 2)},
        {"id": uuid.UUID(int=5), "colour": Colour.RED, "level": Level.HIGH},
        {"point": Point(1), "set": {1}, "tuple": (1, [2, (3,)]), "bytes": b"\x00\xff", "amount": Decimal("1.50")},
        {1: "a", 2.5: "b", "c": [{3: "d"}]},
        OrderedDict(a=OrderedDict(b=None)),
        [None, {"null": None}, "null"],
    ],
)
def test_other_types_are_written_as_always(value: Any) -> None:
    assert msgspec.json.decode(encode_exact(value)) == msgspec.json.decode(
        msgspec.json.encode(value, enc_hook=jsonable)
    )


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        {"a": [1, {"b": math.inf}]},
        {"a": None, "b": -math.inf},
        {1: "a", "1": "b"},
        {"deep": [{2: "a", "2": "b"}]},
        (math.nan,),
        Decimal("NaN"),
    ],
)
def test_inexact_value_is_refused(value: Any) -> None:
    with pytest.raises(NotExactError):
        encode_exact(value)
