from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import msgspec
import pytest
from pydantic import BaseModel

from telemetry.catalog import Personal, Secret
from telemetry.catalog.disclosure import Rule, hidden, marks_of, needs_secret, rule_of
from telemetry.exceptions import ConfigurationError, EventError

KEY = b"0123456789abcdef"
Hidden = Annotated[str, Personal(show="hmac")]
Masked = Annotated[str, Personal(show="mask")]


class Node(msgspec.Struct, rename="camel"):
    own_name: Masked = ""
    below: list[Node] = []


@dataclass
class Data:
    token: Annotated[str, Secret()] = ""


class Typed(TypedDict):
    token: Annotated[str, Secret()]


class Mixed(msgspec.Struct):
    by_name: dict[str, Masked] = {}
    either: int | Masked = 0
    data: Data | None = None
    typed: Typed | None = None
    pair: tuple[Masked, int] = ("", 0)
    secret: Annotated[Hidden, Secret()] = ""
    kept: Annotated[str, Personal()] = ""


class Inner(BaseModel):
    pin: Annotated[int, Secret()]


class Outer(BaseModel):
    inners: list[Inner] = []
    ids: dict[str, Annotated[int, Personal(show="last4")]] = {}


class Array(msgspec.Struct, array_like=True):
    name: Masked = ""


class Unmarked(msgspec.Struct):
    name: str = ""
    below: list[Unmarked] = []


class Hmac(msgspec.Struct):
    name: Hidden = ""


def applied(kind: type[Any], value: Any, secret: bytes | None = KEY) -> Any:
    rule = rule_of(kind)
    assert isinstance(rule, Rule)
    return rule.apply(value, secret, "payload")


def test_class_that_contains_itself_is_masked_everywhere() -> None:
    deep = {"ownName": "a", "below": [{"ownName": "b", "below": [{"ownName": "c"}]}]}

    assert applied(Node, deep) == {
        "ownName": "****",
        "below": [{"ownName": "****", "below": [{"ownName": "****"}]}],
    }


def test_marks_are_found_in_every_container() -> None:
    value = {
        "by_name": {"a": "x", "b": "y"},
        "either": "text",
        "data": {"token": "t"},
        "typed": {"token": "t"},
        "pair": ["x", 7],
        "secret": "s",
        "kept": "k",
    }

    assert applied(Mixed, value) == {
        "by_name": {"a": "****", "b": "****"},
        "either": "****",
        "data": {},
        "typed": {},
        "pair": ["****", "****"],
        "kept": "k",
    }
    assert applied(Outer, {"inners": [{"pin": 1}], "ids": {"a": 12_345_678}}) == {
        "inners": [{}],
        "ids": {"a": "****5678"},
    }


def test_class_without_marks_has_no_rule() -> None:
    assert rule_of(Unmarked) is None
    assert rule_of(dict) is None
    assert list(marks_of(None)) == []


def test_class_written_without_names_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="without names"):
        rule_of(Array)


def test_name_that_is_not_known_is_refused() -> None:
    class Local:
        pass

    class Uses(msgspec.Struct):
        local: Local | None = None

    with pytest.raises(ConfigurationError, match="move it to the module"):
        rule_of(Uses)


@pytest.mark.parametrize(
    ("value", "shown"),
    [("12345678", "****5678"), ("1234567", "****"), (1234567890, "****7890"), (["a"], "****"), (None, None)],
)
def test_last_four_of_a_long_text_alone(value: Any, shown: Any) -> None:
    class Last(msgspec.Struct):
        value: Annotated[Any, Personal(show="last4")] = None

    globals()["Last"] = Last
    assert applied(Last, {"value": value}) == {"value": shown}


def test_equal_values_have_equal_hmacs() -> None:
    first, other = hidden("ada", KEY), hidden("eve", KEY)

    assert first == hidden("ada", KEY)
    assert first != other
    assert first != hidden("ada", b"another key 1234")
    assert first.startswith("hmac:")
    assert "ada" not in first
    assert hidden({"b": 1, "a": 2}, KEY) == hidden({"a": 2, "b": 1}, KEY)


def test_hmac_without_a_key_is_refused() -> None:
    assert needs_secret(rule_of(Hmac))
    assert not needs_secret(rule_of(Node))
    with pytest.raises(EventError, match="key_hmac_secret"):
        applied(Hmac, {"name": "ada"}, None)
