"""A value is what its attribute wants, or it is left out."""

from __future__ import annotations

from typing import Any

import pytest

from telemetry.reader.mappings.ocsf_schema import Attribute, fit


@pytest.mark.parametrize(
    ("kind", "value", "fitting"),
    [
        ("string", "a", "a"),
        ("string", 7, "7"),
        ("string", True, "true"),
        ("username", "日本語", "日本語"),
        ("integer", 7, 7),
        ("integer", "-7", -7),
        ("long", (1 << 63) - 1, (1 << 63) - 1),
        ("port", "443", 443),
        ("float", 7, 7.0),
        ("boolean", "true", True),
        ("boolean", False, False),
        ("timestamp", "2026-01-31T12:00:00.5Z", 1_769_860_800_500),
        ("timestamp", "1969-12-31T23:59:59.999Z", -1),
        ("timestamp", "2026-01-31T13:00:00+01:00", 1_769_860_800_000),
        ("timestamp", 1_769_860_800_000, 1_769_860_800_000),
        ("ip", "2001:DB8::1", "2001:db8::1"),
        ("hostname", "host.example", "host.example"),
        ("email", "a@b.example", "a@b.example"),
        ("mac", "00:1B:44:11:3A:B7", "00:1B:44:11:3A:B7"),
        ("json", {"a": [1, None]}, {"a": [1, None]}),
    ],
)
def test_value_that_fits(kind: str, value: Any, fitting: Any) -> None:
    found = fit(value, Attribute(type=kind))

    assert found == fitting
    assert type(found) is type(fitting)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", ""),
        ("string", "x" * 65_536),
        ("string", ["a"]),
        ("string", {}),
        ("string", 1.5),
        ("string", 1 << 63),
        ("string", None),
        ("integer", True),
        ("integer", 1.0),
        ("integer", "1e3"),
        ("integer", "\u0661"),
        ("integer", 1 << 63),
        ("port", 65_536),
        ("float", "1.0"),
        ("boolean", 1),
        ("boolean", "yes"),
        ("timestamp", "2026-01-31T12:00:00"),
        ("timestamp", "yesterday"),
        ("timestamp", 1_769_860_800),
        ("timestamp", 1.5),
        ("timestamp", True),
        ("ip", "10.0.0.1:443"),
        ("ip", "10.0.0.0/8"),
        ("ip", 167_772_161),
        ("ip", "fe80::1%" + "a" * 40),
        ("hostname", "two words"),
        ("hostname", "-a.example"),
        ("hostname", "host.example\n"),
        ("email", "nobody"),
        ("mac", "00:1B"),
        ("object", {"a": 1}),
    ],
)
def test_value_that_does_not_fit(kind: str, value: Any) -> None:
    assert fit(value, Attribute(type=kind)) is None


def test_number_that_is_not_listed() -> None:
    listed = Attribute(type="integer", enum={"0": "Unknown", "1": "User"})

    assert (fit("1", listed), fit(2, listed)) == (1, None)


def test_list_keeps_what_fits() -> None:
    texts = Attribute(type="string", array=True)

    assert fit(["a", None, 2, {}], texts) == ["a", "2"]
    assert fit("a", texts) == ["a"]
    assert fit([None], texts) is None
