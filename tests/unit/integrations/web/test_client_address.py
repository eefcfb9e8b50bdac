from __future__ import annotations

import pytest

from telemetry.exceptions import ConfigurationError
from telemetry.integrations.web.client_address import ClientAddress

PROXIES = ["10.0.0.0/8", "2001:db8:ffff::/48"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        pytest.param("192.0.2.7", None, "192.0.2.7", id="direct"),
        pytest.param("192.0.2.7", "203.0.113.9", "192.0.2.7", id="peer not trusted"),
        pytest.param("10.0.0.1", "203.0.113.9", "203.0.113.9", id="one proxy"),
        pytest.param("10.0.0.1", "198.51.100.1, 203.0.113.9, 10.0.0.2", "203.0.113.9", id="client wrote the first"),
        pytest.param("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3", id="all are proxies"),
        pytest.param("10.0.0.1", "203.0.113.9:4711", "203.0.113.9", id="port"),
        pytest.param("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1", id="IPv6 with port"),
        pytest.param("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9", id="mapped proxy"),
        pytest.param("10.0.0.1", "203.0.113.9, garbage", "10.0.0.1", id="garbage on the right"),
        pytest.param("10.0.0.1", "", "10.0.0.1", id="empty"),
        pytest.param("testclient", None, None, id="no address"),
        pytest.param(None, "203.0.113.9", None, id="Unix socket not listed"),
        pytest.param("2001:db8:ffff::1", "fe80::1%eth0", "fe80::1", id="zone"),
    ],
)
def test_client_is_right_of_what_it_wrote(peer: str | None, forwarded: str | None, found: str | None) -> None:
    assert ClientAddress(PROXIES).of(peer, forwarded=forwarded) == found


def test_listed_unix_socket_is_a_proxy() -> None:
    assert ClientAddress(["unix"]).of(None, forwarded="203.0.113.9") == "203.0.113.9"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("for=203.0.113.9;proto=https", "203.0.113.9"),
        ('proto=https;For="[2001:db8::1]:4711"', "2001:db8::1"),
        ("for=198.51.100.1, for=203.0.113.9, for=10.0.0.9", "203.0.113.9"),
        ('for="198.51.100.1, for=203.0.113.9', "203.0.113.9"),
        ("for=unknown", "10.0.0.1"),
        ("for=_hidden, for=10.0.0.9", "10.0.0.9"),
        ("by=203.0.113.9", "10.0.0.1"),
        ('proto=http;host="a, for=198.51.100.1";for=203.0.113.9', "203.0.113.9"),
        ('proto=http;host="a;for=198.51.100.1";for=203.0.113.9', "203.0.113.9"),
        ('host="a, for=198.51.100.1;x=";for="[2001:db8::1]"', "2001:db8::1"),
        ('for=198.51.100.1;x=", for=203.0.113.9', "203.0.113.9"),
        ('for=198.51.100.1, host="a\\", for=198.51.100.2";for=203.0.113.9', "203.0.113.9"),
        ("for=203.0.113.9;for=198.51.100.1", "10.0.0.1"),
        ('for="203.0.113.9', "10.0.0.1"),
        ("for=203.0.113.9:4711", "203.0.113.9"),
        ("for=[2001:db8::1]:4711", "2001:db8::1"),
    ],
)
def test_forwarded_header_names_the_client(header: str, found: str) -> None:
    client = ClientAddress(PROXIES, header="forwarded")

    assert client.header == "forwarded"
    assert client.of("10.0.0.1", forwarded=header) == found


def test_without_proxies_no_header_is_read() -> None:
    assert ClientAddress([]).header is None
    assert ClientAddress([]).of("10.0.0.1", forwarded="203.0.113.9") == "10.0.0.1"


def test_long_header_is_read_from_the_right() -> None:
    header = ",".join(["198.51.100.123"] * 5_000 + ["203.0.113.9"] + ["10.0.0.2"] * 20)

    assert ClientAddress(PROXIES).of("10.0.0.1", forwarded=header) == "203.0.113.9"


def test_cut_header_yields_no_half_address() -> None:
    # 33 proxies: more than are looked at, and the text before them is cut in the middle of an address.
    header = "203.0.113.99," + ",".join(["10.100.100.100"] * 400)

    assert ClientAddress(PROXIES).of("10.0.0.1", forwarded=header) == "10.100.100.100"


@pytest.mark.parametrize("wrong", ["proxy.example.com", "10.0.0.0/33", ""])
def test_proxy_that_is_no_network_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="trusted_proxies"):
        ClientAddress([wrong])


def test_single_proxy_may_be_a_text() -> None:
    assert ClientAddress("10.0.0.1").of("10.0.0.1", forwarded="203.0.113.9") == "203.0.113.9"
