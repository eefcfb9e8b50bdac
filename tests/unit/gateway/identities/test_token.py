from __future__ import annotations

import hashlib

import pytest

from telemetry.gateway.identities.token import bearer_token, digest_of, new_token, token_id


def test_tokens_are_long_and_never_alike() -> None:
    tokens = {new_token() for _ in range(100)}

    assert len(tokens) == 100
    assert all(token.startswith("tgw_") and len(token) >= 47 for token in tokens)
    assert all(bearer_token(f"Bearer {token}") == token for token in tokens)


def test_a_digest_is_the_sha256() -> None:
    assert digest_of("abc") == hashlib.sha256(b"abc").digest()
    assert token_id(digest_of("abc")) == "token:ba7816bf8f01"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YWRhOnB3",
        "Bearer short",
        "Bearer " + "a" * 600,
        "Bearer two words-two words",
        "Bearer ä" + "a" * 20,
    ],
)
def test_other_values_have_no_token(value: str) -> None:
    assert bearer_token(value) is None


def test_the_scheme_has_no_case() -> None:
    assert bearer_token("bEARER " + "a" * 20) == "a" * 20
