from __future__ import annotations

import hmac
from datetime import UTC, datetime, timedelta

import pytest

from telemetry.gateway.identities import registry
from telemetry.gateway.identities.entries import IdentityEntry, TokenEntry
from telemetry.gateway.identities.registry import Identities
from telemetry.gateway.identities.token import digest_of, new_token, token_id

NOW = datetime(2027, 1, 1, tzinfo=UTC)


def token_of(token: str, *, days: int = 1) -> TokenEntry:
    return TokenEntry(digest_of(token).hex().upper(), NOW + timedelta(days=days))


def test_a_certificate_names_its_service() -> None:
    identities = Identities([IdentityEntry("payments", ("a.example", "spiffe://a"), max_events_per_second=3)])

    caller = identities.of_certificate(["other.example", "spiffe://a"])

    assert caller is not None
    assert (caller.service, caller.identity, caller.channel, caller.max_events_per_second) == (
        "payments",
        "spiffe://a",
        "mtls",
        3,
    )
    assert identities.of_certificate(["A.example", "a.example.", ""]) is None


def test_a_certificate_of_two_services_is_nobody() -> None:
    identities = Identities([IdentityEntry("a", ("a.example",)), IdentityEntry("b", ("b.example",))])

    assert identities.of_certificate(["a.example", "b.example"]) is None


def test_a_token_is_known_until_it_expires() -> None:
    good, old = new_token(), new_token()
    identities = Identities([IdentityEntry("a", tokens=(token_of(good), token_of(old, days=-1)))])

    caller, is_expired = identities.of_token(good, now=NOW)

    assert caller is not None
    assert (caller.service, caller.identity, caller.channel) == ("a", token_id(digest_of(good)), "token")
    assert not is_expired
    assert identities.of_token(old, now=NOW) == (None, True)
    assert identities.of_token(good + "x", now=NOW) == (None, False)
    assert identities.of_token(good, now=NOW + timedelta(days=1, seconds=1)) == (None, True)


def test_every_digest_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = [new_token() for _ in range(5)]
    identities = Identities([IdentityEntry(f"s{n}", tokens=(token_of(token),)) for n, token in enumerate(tokens)])
    compared: list[bytes] = []

    def compare(known: bytes, given: bytes) -> bool:
        compared.append(known)
        return hmac.compare_digest(known, given)

    monkeypatch.setattr(registry, "hmac", type("Counting", (), {"compare_digest": staticmethod(compare)}))
    for token in (tokens[0], tokens[4], "no-such-token-at-all"):
        compared.clear()
        identities.of_token(token, now=NOW)
        assert compared == [digest_of(one) for one in tokens]


def test_a_user_of_the_machine_names_its_service() -> None:
    identities = Identities([IdentityEntry("a", uids=(1001,))])
    caller = identities.of_uid(1001)

    assert caller is not None
    assert (caller.identity, caller.channel) == ("uid:1001", "unix")
    assert identities.of_uid(0) is None


def test_no_secret_is_in_a_caller() -> None:
    token = new_token()
    caller, _ = Identities([IdentityEntry("a", tokens=(token_of(token),))]).of_token(token, now=NOW)

    assert token not in repr(caller)
    assert digest_of(token).hex() not in repr(caller)
