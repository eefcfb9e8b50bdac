from __future__ import annotations

from typing import Any

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.ingest.paths import MAX_ALTERNATIVES, MAX_PATH, MAX_STEPS, compile_path

LINE: dict[str, Any] = {
    "user": {"name": "ann", "email": None, "": "empty name"},
    "a.b": "whole",
    "a": {"b": "nested", "b.c": "dotted", "x/y": "slash", "t~": "tilde", 'q"': "quote", "0": "zero"},
    "hosts": ["one", "two", {"id": 3}],
    "pairs": [{"name": "mail", "value": "m"}, "junk", {"name": "ip", "value": "i"}],
    "dash": "-",
    "no": False,
    "nil": 0,
    "two words": {"in side": 1},
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("user.name", "ann"),
        ("user", LINE["user"]),
        ("a.b", "whole"),
        ('a."b"', "nested"),
        ('a."b.c"', "dotted"),
        ('a."q\\""', "quote"),
        ("/a/b", "nested"),
        ("/a/b.c", "dotted"),
        ("/a/x~1y", "slash"),
        ("/a/t~0", "tilde"),
        ("/a.b", "whole"),
        ("/user/", "empty name"),
        ("hosts.0", "one"),
        ("hosts.-1.id", 3),
        ("hosts[1]", "two"),
        ("hosts[-1].id", 3),
        ("/hosts/2/id", 3),
        ("a.0", "zero"),
        ('hosts."0"', None),
        ("hosts.3", None),
        ("hosts.-4", None),
        ("hosts.one", None),
        ("pairs[name=ip].value", "i"),
        ("pairs[name=none].value", None),
        ("user.name.first", None),
        ("user.email", None),
        ("user.email,user.name", "ann"),
        ("gone, user.name", "ann"),
        ('gone."x" , /user/name', "ann"),
        ("no", False),
        ("nil", 0),
        ("two words.in side", 1),
    ],
)
def test_a_path_leads_to_its_value(path: str, value: Any) -> None:
    assert compile_path(path, option="--field").find(LINE) == value


@pytest.mark.parametrize("document", [None, 1, "text", [], [1], True])
def test_a_document_without_members_has_nothing(document: Any) -> None:
    assert compile_path("a.b,c,/d/0", option="--field").find(document) is None


def test_an_absent_text_gives_way_to_alternatives() -> None:
    path = compile_path("dash,user.name", option="--field")

    assert path.find(LINE) == "-"
    assert path.find(LINE, absent=frozenset(("-",))) == "ann"


@pytest.mark.parametrize(
    "path",
    [
        "",
        ",",
        "a,",
        ",a",
        "a..b",
        ".a",
        "a.",
        'a."b',
        'a"b"',
        '"a"b',
        "a[",
        "a[]",
        "a[x]",
        "a[=x]",
        "a]b",
        "/a~2b",
        "/a~",
        "   ",
        "x" * (MAX_PATH + 1),
        ".".join("x" * (MAX_STEPS + 1)),
        ",".join("x" * (MAX_ALTERNATIVES + 1)),
    ],
)
def test_a_faulty_path_is_refused_at_start(path: str) -> None:
    with pytest.raises(ConfigurationError, match="--time-field"):
        compile_path(path, option="--time-field")


def test_the_error_says_where() -> None:
    with pytest.raises(ConfigurationError, match="at character 6"):
        compile_path("user.", option="--field")


def test_a_path_shows_itself() -> None:
    assert repr(compile_path("a.b", option="")) == "ValuePath('a.b')"
