from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from telemetry.config import GatewayConfig
from telemetry.exceptions import ConfigurationError
from telemetry.gateway.authentication import REASONS, Authentication, Refusal
from telemetry.gateway.caller import Caller
from telemetry.gateway.identities.quotas import Quotas
from telemetry.gateway.identities.source import IdentitiesFile
from telemetry.gateway.identities.token import new_token
from telemetry.gateway.peer import Peer
from tests.support.gateway.credentials import Authority, identity, token_entry, write_identities

TOKEN, EXPIRED = new_token(), new_token()
PROXY, CLIENT = "10.0.0.1", "203.0.113.7"


@pytest.fixture
def identities(tmp_path: Path) -> IdentitiesFile:
    file = write_identities(
        tmp_path / "identities.toml",
        identity("payments", certificates=["payments.example"]),
        identity("orders", tokens=[token_entry(TOKEN), token_entry(EXPIRED, "2020-01-01T00:00:00Z")]),
        identity("shop", uids="[1001]"),
    )
    return IdentitiesFile(file, own_service="gateway", quotas=Quotas())


def asked(
    identities: IdentitiesFile, peer: Peer, *headers: tuple[str, str], **config: object
) -> tuple[str, str] | tuple[int, str, str]:
    """Return service and name of the caller, else status, reason and what was shown."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    found = Authentication(GatewayConfig(**config), identities).caller_of(peer, raw)  # type: ignore[arg-type]
    if isinstance(found, Refusal):
        assert found.reason in REASONS
        return found.status, found.reason, found.who
    assert isinstance(found, Caller)
    return found.service, found.identity


def bearer(token: str) -> tuple[str, str]:
    return "authorization", f"Bearer {token}"


def client_cert(folder: Path, *names: str) -> tuple[str, str]:
    pair = Authority(folder, "proxied").issue("c", *names)
    certificate = x509.load_pem_x509_certificates(pair.certificate.read_bytes())[0]
    return "client-cert", f":{base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()}:"


def test_a_certificate_a_token_or_a_user_is_enough(identities: IdentitiesFile) -> None:
    assert asked(identities, Peer(CLIENT, names=("payments.example",))) == ("payments", "payments.example")
    assert asked(identities, Peer(CLIENT), bearer(TOKEN))[0] == "orders"
    assert asked(identities, Peer(uid=1001)) == ("shop", "uid:1001")


def test_nothing_is_not_enough(identities: IdentitiesFile) -> None:
    assert asked(identities, Peer(CLIENT)) == (401, "no_credentials", "")
    assert asked(identities, Peer(CLIENT, names=("other.example",))) == (403, "unknown_certificate", "other.example")
    assert asked(identities, Peer(uid=7)) == (403, "unknown_user", "uid:7")


def test_a_wrong_token_is_refused_and_not_shown(identities: IdentitiesFile) -> None:
    wrong = new_token()
    for token, reason in ((wrong, "unknown_token"), (EXPIRED, "expired_token")):
        status, found, who = asked(identities, Peer(CLIENT, names=("payments.example",)), bearer(token))  # type: ignore[misc]
        assert (status, found) == (401, reason)
        assert who.startswith("token:")
        assert token not in who


@pytest.mark.parametrize("value", ["Basic YQ==", "Bearer", "Bearer x", "", "Bearer a b" * 20])
def test_another_authorization_is_malformed(identities: IdentitiesFile, value: str) -> None:
    assert asked(identities, Peer(CLIENT), ("authorization", value))[:2] == (400, "bad_credentials")


def test_two_authorizations_are_malformed(identities: IdentitiesFile) -> None:
    assert asked(identities, Peer(CLIENT), bearer(TOKEN), bearer(TOKEN))[:2] == (400, "bad_credentials")


def test_certificate_and_token_must_be_of_one_service(identities: IdentitiesFile) -> None:
    both = asked(identities, Peer(CLIENT, names=("payments.example",)), bearer(TOKEN))

    assert both == (403, "two_identities", "payments.example")
    assert asked(identities, Peer(CLIENT, names=("mesh.example",)), bearer(TOKEN))[0] == "orders"
    assert asked(identities, Peer(uid=7), bearer(TOKEN))[0] == "orders"


def test_a_forwarded_certificate_is_believed_from_a_listed_proxy_alone(
    identities: IdentitiesFile, tmp_path: Path
) -> None:
    shown = client_cert(tmp_path, "payments.example")
    proxied = {"trusted_proxies": (PROXY,), "forwarded_certificates": True}

    assert asked(identities, Peer(PROXY), shown, **proxied) == ("payments", "payments.example")
    assert asked(identities, Peer(CLIENT), shown, **proxied)[:2] == (401, "no_credentials")
    assert asked(identities, Peer(PROXY), shown, trusted_proxies=(PROXY,))[:2] == (401, "no_credentials")
    assert asked(identities, Peer(PROXY), shown, shown, **proxied)[:2] == (400, "bad_client_cert")
    assert asked(identities, Peer(PROXY), ("client-cert", "x"), bearer(TOKEN), **proxied)[:2] == (
        400,
        "bad_client_cert",
    )
    assert asked(identities, Peer(PROXY), client_cert(tmp_path, "b.example"), **proxied)[0] == 403


def test_a_proxy_speaks_for_none_of_its_clients(identities: IdentitiesFile) -> None:
    for forwards in (False, True):
        config = {"trusted_proxies": (PROXY, "unix"), "forwarded_certificates": forwards}
        assert asked(identities, Peer(PROXY, names=("payments.example",)), **config)[:2] == (401, "no_credentials")
        assert asked(identities, Peer(uid=1001), **config)[:2] == (401, "no_credentials")
        assert asked(identities, Peer(PROXY, names=("payments.example",)), bearer(TOKEN), **config)[0] == "orders"


@pytest.mark.parametrize(
    ("peer", "headers", "config", "address"),
    [
        (CLIENT, {"x-forwarded-for": "1.1.1.1"}, {}, CLIENT),
        (CLIENT, {"x-forwarded-for": "1.1.1.1"}, {"trusted_proxies": (PROXY,)}, CLIENT),
        (PROXY, {"x-forwarded-for": f"1.1.1.1, {CLIENT}"}, {"trusted_proxies": ("10.0.0.0/8",)}, CLIENT),
        (PROXY, {"forwarded": f"for={CLIENT}"}, {"trusted_proxies": (PROXY,)}, PROXY),
        (PROXY, {"forwarded": f"for={CLIENT}"}, {"trusted_proxies": (PROXY,), "proxy_header": "forwarded"}, CLIENT),
        ("", {}, {}, None),
    ],
    ids=range(6),
)
def test_the_address_is_what_a_listed_proxy_says(
    identities: IdentitiesFile, peer: str, headers: dict[str, str], config: dict[str, object], address: str | None
) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]

    assert Authentication(GatewayConfig(**config), identities).address_of(Peer(peer), raw) == address  # type: ignore[arg-type]


def test_a_proxy_that_is_no_address_is_an_error(identities: IdentitiesFile) -> None:
    with pytest.raises(ConfigurationError, match="no address"):
        Authentication(GatewayConfig(trusted_proxies=("proxy.example",)), identities)
