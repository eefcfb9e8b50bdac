"""Logs in with SASL: PLAIN (RFC 4616), SCRAM (RFC 5802) and OAUTHBEARER (RFC 7628)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import ssl
import urllib.parse
import urllib.request
from collections.abc import Generator
from typing import Any

from telemetry.config import AuditConfig, KafkaConfig

_MAX_ITERATIONS = 10_000_000
"""A server that asks for more would only spend this process's time."""
_MAX_TOKEN_BYTES = 1 << 20
_TOKEN_SECONDS = 30.0

Exchange = Generator[bytes, bytes, None]
"""Yields what is sent, and receives what the server answers."""


class SaslError(Exception):
    """The server's part of the exchange is wrong, or no token can be had."""


def exchange(config: AuditConfig) -> Exchange:
    """Return the exchange of the configured mechanism.

    Raises:
        SaslError: While it runs; see there.
    """
    kafka = config.kafka_config or KafkaConfig()
    if kafka.mechanism == "OAUTHBEARER":
        return _bearer(kafka, config.kafka_options)
    password = kafka.password.get_secret_value() if kafka.password else ""
    if kafka.mechanism == "PLAIN":
        return _plain(kafka.username or "", password)
    return _scram(kafka.username or "", password, kafka.mechanism.removeprefix("SCRAM-").replace("-", "").lower())


def _plain(user: str, password: str) -> Exchange:
    yield f"\0{user}\0{password}".encode()


def _scram(user: str, password: str, digest: str) -> Exchange:
    """RFC 5802 section 3; the server has to prove that it knows the password, too."""
    name = user.replace("=", "=3D").replace(",", "=2C")
    first = f"n={name},r={secrets.token_urlsafe(24)}"
    challenge = (yield f"n,,{first}".encode()).decode("utf-8", "replace")
    stated = dict(part.split("=", 1) for part in challenge.split(",") if "=" in part)
    nonce, salt, iterations = stated.get("r", ""), stated.get("s", ""), stated.get("i", "")
    if (
        not nonce.startswith(first.partition(",r=")[2])
        or not iterations.isdecimal()
        or len(iterations) > len("10000000")
    ):
        message = "the server's challenge is not one"
        raise SaslError(message)
    if int(iterations) > _MAX_ITERATIONS:
        message = f"the server asks for {iterations} iterations"
        raise SaslError(message)
    salted = hashlib.pbkdf2_hmac(digest, password.encode(), base64.b64decode(salt), int(iterations))
    last = f"c=biws,r={nonce}"
    signed = f"{first},{challenge},{last}".encode()
    client_key = hmac.digest(salted, b"Client Key", digest)
    signature = hmac.digest(hashlib.new(digest, client_key).digest(), signed, digest)
    proof = bytes(one ^ other for one, other in zip(client_key, signature, strict=True))
    answer = yield f"{last},p={base64.b64encode(proof).decode()}".encode()
    expected = base64.b64encode(hmac.digest(hmac.digest(salted, b"Server Key", digest), signed, digest))
    if not hmac.compare_digest(answer, b"v=" + expected):
        message = "the server does not know the password"
        raise SaslError(message)


def _bearer(kafka: KafkaConfig, options: dict[str, Any]) -> Exchange:
    yield f"n,,\x01auth=Bearer {_token(kafka, options)}\x01\x01".encode()


def _token(kafka: KafkaConfig, options: dict[str, Any]) -> str:
    """Return a token from the identity provider (RFC 6749 section 4.4), whose address was checked with the options."""
    secret = kafka.oauth_client_secret.get_secret_value() if kafka.oauth_client_secret else ""
    credentials = f"{urllib.parse.quote(kafka.oauth_client_id or '')}:{urllib.parse.quote(secret)}".encode()
    form = {"grant_type": "client_credentials"} | ({"scope": kafka.oauth_scope} if kafka.oauth_scope else {})
    request = urllib.request.Request(  # noqa: S310 - https, or this machine: options.py refuses others
        kafka.oauth_token_url or "",
        urllib.parse.urlencode(form).encode(),
        {"Authorization": f"Basic {base64.b64encode(credentials).decode()}", "Accept": "application/json"},
    )
    authorities = options.get("https.ca.location")
    context = ssl.create_default_context(cafile=str(authorities) if authorities else None)
    try:
        with urllib.request.urlopen(request, timeout=_TOKEN_SECONDS, context=context) as answer:  # noqa: S310 - as above
            token = json.loads(answer.read(_MAX_TOKEN_BYTES))["access_token"]
    except (OSError, ValueError, KeyError, TypeError) as exc:
        message = "the identity provider gave no token"
        raise SaslError(message) from exc
    if not isinstance(token, str):
        message = "the identity provider's token is not a text"
        raise SaslError(message)
    return token
