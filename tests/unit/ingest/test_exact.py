from __future__ import annotations

import json

import pytest

from telemetry.exceptions import EventError
from telemetry.ingest.exact import decoded, decoded_exactly


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"b":[true,null,"x"]}',
        '{"a": 1, "b": {"a": 1}}',
        '{ "a" : 1.50 , "b" : [1.0, 1e2, -0.0, 0e5] }',
        '{"a":123456789012345678901234567890}',
        '{"text":"\\u00e9\\u0022:\\u003a","other":"-0, 1e-400 "}',
        '{"pair":"\\ud83d\\ude00","plain":"\\\\ud800"}',
        '{"":1,"a b":2,"ab":3}',
        '[{"a":1},{"a":1}]',
    ],
)
def test_value_that_says_what_its_text_says(text: str) -> None:
    assert decoded_exactly(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    ("text", "byte"),
    [
        ('{"a":1,"a":2}', 8),
        ('{"a": 1, "a": 1}', 10),
        ('{"x":{"role":"user","role":"admin"}}', 21),
        ('{"a":1,"\\u0061":2}', 8),
        ('{"a":1,"b":"\\u0022:","a":2}', 22),
        ('{"a":1,"b":"\\":","a" :2}', 18),
        ('[[{"a":1}],{"a":1,"a":1}]', 19),
        ('{"a":1.5,"a":1}', 10),
    ],
)
def test_name_that_is_there_twice(text: str, byte: int) -> None:
    with pytest.raises(EventError) as raised:
        decoded_exactly(text.encode())

    assert str(raised.value) == f"has a name twice in one object, the second time at byte {byte}"


@pytest.mark.parametrize(
    "number",
    ["1e-400", "-0", "9007199254740993.0", "10000000000000000.01", "0.1234567890123456789012345678", "1.7e308001"],
)
@pytest.mark.parametrize("form", ['{"a":%s}', '{"a": [1.5, %s ], "b": "-0"}', '{"b":"\\u00e9","a":{"c":%s}}'])
def test_number_that_would_change(number: str, form: str) -> None:
    text = form % number

    with pytest.raises(EventError, match="has a number that") as raised:
        decoded_exactly(text.encode())

    assert f"at byte {len(text.split(number)[0].encode()) + 1};" in str(raised.value)
    assert "--keep-line" in str(raised.value)


def test_changed_values_where_the_line_is_kept() -> None:
    assert decoded(b'{"a":1,"a":-0,"b":9007199254740993.0}') == {"a": 0, "b": 9007199254740992.0}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"secret":', "is not JSON: input data was truncated"),
        (b'{"secret":1,}', "is not JSON: trailing comma in object at byte"),
        (b'{"secret":1} secret', "is not JSON: trailing characters at byte"),
        (b'{"secret":"\xff"}', "is not JSON: it is not valid UTF-8"),
        (b'{"secret":"\\ud800"}', "has half of a surrogate pair at byte 12"),
        (b'{"secret":"\\ude00\\ud83d"}', "has half of a surrogate pair at byte 12"),
        (b"[" * 5_000 + b"]" * 5_000, "is nested too deeply"),
        (b'{"secret":1e400}', "has a number that is too large"),
        (b'{"secret":' + b"1" * 5_000 + b"}", "has a number that is too large"),
    ],
)
def test_text_without_a_value_is_named_not_quoted(data: bytes, reason: str) -> None:
    with pytest.raises(EventError) as raised:
        decoded_exactly(data)

    assert str(raised.value).startswith(reason)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        b"1e+3081e+308",
        b'{"a": 0.10000000000000000001, "b": 1.2.3}',
        b"[1e400, -]",
        b'{"a":1e400}}',
        b"[1e400, 1e400",
        b"[1e400, 1e]",
        b"[1e400, 01]",
        b'[1e400, "\x01"]',
    ],
)
def test_inexact_number_before_what_is_no_json(text: bytes) -> None:
    with pytest.raises(EventError) as raised:
        decoded_exactly(text)
    assert str(raised.value).startswith("is not JSON")
