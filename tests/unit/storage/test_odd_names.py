"""Names that the client of a cloud store cannot parse are recognised, and a listing goes on after them."""

from __future__ import annotations

import random

import pytest

from telemetry.storage.odd_names import after_odd, is_odd, odd_name_in


class InvalidPathError(Exception):
    """As obstore raises it."""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('Encountered ...\nInvalidPath {\n  source: EmptySegment {\n path: "audit/T/0//b",\n }', "audit/T/0//b"),
        ('BadSegment { path: "T/zzz\\u{1}", source: InvalidPart {', "T/zzz\x01"),
        ('BadSegment { path: "T/a\\"b\\\\c\\n/../x" }', 'T/a"b\\c\n/../x'),
        ('BadSegment { path: "T/\\u{110000}//" }', "T///"),
    ],
)
def test_name_is_read_from_the_error(text: str, name: str) -> None:
    assert odd_name_in(InvalidPathError(text)) == name


def test_other_errors_have_no_name() -> None:
    assert odd_name_in(InvalidPathError("something else")) is None
    assert odd_name_in(ValueError('path: "a//b"')) is None


@pytest.mark.parametrize("name", ["a//b", "/a", "a/", "a/./b", "a/../b", "..", "a/b\x01", "a\x7fb/c", "a//", "x/.", ""])
def test_odd_names_are_recognised(name: str) -> None:
    assert is_odd(name)


@pytest.mark.parametrize("name", ["a", "a/b", "a/.b", "a/b..", "a/b.c/d", "...", "a b", "é"])
def test_other_names_are_not_odd(name: str) -> None:
    assert not is_odd(name)


def test_listing_goes_on_right_after_the_odd_ones() -> None:
    numbers = random.Random(7)  # noqa: S311 - the same names each time
    names = {
        "/".join(
            "".join(numbers.choices("a0.-\x01\x1f\x7f", k=numbers.randrange(3))) for _ in range(numbers.randrange(1, 4))
        )
        for _ in range(3_000)
    }
    listing = sorted(names, key=str.encode)
    for odd in filter(is_odd, listing):
        start = after_odd(odd)
        skipped = [name for name in listing if odd.encode() <= name.encode() <= start.encode()]
        # Only one name that is not odd can be among them: the place where the listing goes on, itself.
        assert start.encode() > odd.encode()
        assert [name for name in skipped if not is_odd(name) and name != start] == []
