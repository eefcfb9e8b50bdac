from __future__ import annotations

import pytest

from telemetry.reader.filters.addresses import AddressSet


@pytest.mark.parametrize(
    ("wanted", "text", "expected"),
    [
        ("10.0.0.7", "10.0.0.7", True),
        ("10.0.0.7", "10.0.0.71", False),
        ("10.0.0.7", "::ffff:10.0.0.7", True),
        ("::ffff:10.0.0.7", "10.0.0.7", True),
        ("10.0.0.0/8", "10.255.0.1", True),
        ("10.0.0.0/8", "::ffff:a01:203", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.9/24", "10.0.0.200", True),
        ("::ffff:10.0.0.0/104", "10.1.2.3", True),
        ("::ffff:10.0.0.0/104", "11.1.2.3", False),
        ("2001:db8::1", "2001:0DB8:0000::0001", True),
        ("2001:db8::/32", "2001:db8:ffff::", True),
        ("2001:db8::/32", "2001:db9::", False),
        ("fe80::1", "fe80::1%eth0", True),
        ("0.0.0.0/0", "::1", False),
        ("::/0", "not an address", False),
        ("10.0.0.7", "10.0.0.7~0123456789abcdefghijkl", False),
        ("10.0.0.7", "", False),
    ],
)
def test_address_in_every_form(wanted: str, text: str, expected: bool) -> None:
    assert (text in AddressSet(frozenset([wanted]))) is expected


@pytest.mark.parametrize(
    "text", ["", "localhost", "10.0.0", "10.0.0.256", "10.0.0.0/33", "010.0.0.1", "/8", "10.0.0.0/x"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|octet|netmask|network|Octet|empty|Leading|Address"):
        AddressSet(frozenset([text]))
