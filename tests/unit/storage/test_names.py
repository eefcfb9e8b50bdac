"""Names that every store takes as they are, and nothing that leads out of one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.exceptions import ConfigurationError, StorageLimitError
from telemetry.storage.names import MAX_NAME_BYTES, clean_prefix, require_name, require_safe, storable_name

GOOD = ["a", "a/b", "A-Z_0.9/x.jsonl", ".hidden/x", "..x/y", "x../y", "a" * 250, "/".join(["a" * 99] * 9)]
BAD = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "./a",
    "a/..",
    "a/../b",
    "a b",
    "a\\b",
    "a\x00",
    "a\n",
    "ä",
    "a@b",
    "a~",
    "\u0661",
    "a" * 251,
    "/".join(["a" * 99] * 10),
]


@pytest.mark.parametrize("name", GOOD)
def test_name_that_can_be_stored(name: str) -> None:
    require_name(name)
    require_safe(name)
    assert storable_name(name) == name


@pytest.mark.parametrize("name", BAD)
def test_name_that_cannot_be_stored(name: str) -> None:
    with pytest.raises(StorageLimitError):
        require_name(name)
    require_name(storable_name(name))


@given(st.text(max_size=40))
def test_any_accepted_name_stays_below_prefix(name: str) -> None:
    try:
        require_safe(name)
    except StorageLimitError:
        return
    assert not {"", ".", ".."} & set(name.split("/"))
    assert name.isprintable() or not any(ord(character) < 32 for character in name)


@given(st.text(max_size=1_000), st.text(max_size=1_000))
def test_storable_names_are_valid_and_distinct(one: str, other: str) -> None:
    require_name(storable_name(one))
    assert (storable_name(one) == storable_name(other)) == (one == other)


def test_foreign_name_may_be_read() -> None:
    require_safe("t/odd name (1) ä.txt")


@pytest.mark.parametrize(("prefix", "expected"), [("", ""), ("/", ""), ("a/b/", "a/b"), ("/a", "a")])
def test_prefix(prefix: str, expected: str) -> None:
    assert clean_prefix(prefix) == expected


@pytest.mark.parametrize("prefix", ["a//b", "..", "a b", "a" * (1_025 - MAX_NAME_BYTES)])
def test_prefix_that_cannot_be_used(prefix: str) -> None:
    with pytest.raises(ConfigurationError):
        clean_prefix(prefix)
