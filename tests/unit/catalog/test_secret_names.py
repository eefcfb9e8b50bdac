from __future__ import annotations

import pytest

from telemetry.catalog.secret_names import SECRET_NAMES, SecretNames


@pytest.mark.parametrize(
    "name",
    [
        *SECRET_NAMES,
        *("Password", "PASSWORD", "newPassword", "new-password", "db.password", "dbpassword", "password1", "passwords"),
        *("user[password]", "X-Api-Key", "apiKey", "APIKey", "x_api_key", "accessToken", "ACCESS_TOKEN", "tokens"),
        *("Set-Cookie", "cookies", "clientSecret", "AWS_SECRET_ACCESS_KEY", "cvv", "CVV2", "cardCvc", "card_number"),
    ],
)
def test_name_of_a_secret_in_any_spelling(name: str) -> None:
    assert SecretNames().has(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "7", "method", "token_count", "tokenized", "password_changed_at", "secret_name", "cookie_consent"),
        *("shopping", "company", "spinner", "pinned", "span", "japan", "passenger", "key", "keyboard", "monkey"),
        *("credentialed", "authorized", "authorization_code_used", "session_id", "user", "card", "cardholder"),
    ],
)
def test_other_names_are_kept(name: str) -> None:
    assert not SecretNames().has(name)


def test_configured_names_are_added_and_spared() -> None:
    names = SecretNames(more=["member number"], spared=["csrf_token"])

    assert names.has("memberNumber")
    assert not names.has("csrfToken")
    assert names.has("other_token")


def test_endless_name_is_cut() -> None:
    assert SecretNames().has("x" * 1_000_000 + "_password")
    assert not SecretNames().has("password" + "x" * 1_000_000)
