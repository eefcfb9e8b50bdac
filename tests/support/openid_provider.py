"""An OpenID provider on a free port of this machine, honest or with one fault at a time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import uvicorn
from joserfc import jwk, jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.support.until import until

CLIENT, SECRET = "explorer", "a secret of the client"


class OpenIdProvider:
    """Signs in one person without asking, and does what its faults say.

    Attributes:
        faults: Words of the faults that are on.
        person: Claims about the person.
        issuer: Its URL.
        key_requests: How often its keys were asked for.
    """

    def __init__(self, host: str, port: int) -> None:
        self.issuer = f"http://{host}:{port}"
        self.faults: set[str] = set()
        self.person: dict[str, Any] = {"sub": "u-17", "name": "Ada Byron", "groups": ["audit-readers"]}
        self.key_requests = 0
        self._codes: dict[str, dict[str, str]] = {}
        self._key = jwk.RSAKey.generate_key(2048, auto_kid=True)
        self._stranger = jwk.RSAKey.generate_key(2048, {"kid": str(self._key.kid)})

    def rotate(self) -> None:
        """Sign with another key from now on."""
        self._key = jwk.RSAKey.generate_key(2048, auto_kid=True)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._metadata),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/keys", self._keys),
            ]
        )

    async def _metadata(self, _: Request) -> Response:
        if "redirecting metadata" in self.faults:
            return RedirectResponse(f"{self.issuer}/elsewhere")
        if "huge metadata" in self.faults:
            return JSONResponse({"issuer": self.issuer, "filling": "x" * (2 << 20)})
        if "metadata is no object" in self.faults:
            return Response(b"[" * 100_000, media_type="application/json")
        metadata = {
            "issuer": self.issuer if "other issuer of metadata" not in self.faults else "http://127.0.0.1:1",
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "end_session_endpoint": f"{self.issuer}/logout",
        }
        if "token endpoint without TLS" in self.faults:
            metadata["token_endpoint"] = "http://provider.example/token"
        return JSONResponse(metadata)

    async def _authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        if "refuses the person" in self.faults:
            answer = {"error": "access_denied", "error_description": "no", "state": asked["state"]}
            return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}")
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        answer = {"code": code, "state": asked["state"]}
        if "other issuer of the answer" in self.faults:
            answer["iss"] = "https://evil.example"
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}")

    async def _token(self, request: Request) -> Response:
        form = dict(pair.split("=", 1) for pair in (await request.body()).decode().split("&"))
        asked = self._codes.pop(form["code"], None)
        if asked is None:
            return JSONResponse({"error": "invalid_grant"}, 400)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        basic = base64.b64decode(request.headers["authorization"].partition(" ")[2]).decode()
        if challenge.decode() != asked["code_challenge"] or not basic.startswith(f"{CLIENT}:"):
            return JSONResponse({"error": "invalid_grant"}, 400)
        answer = {"access_token": "at", "token_type": "Bearer", "expires_in": 60}
        if "no ID token" not in self.faults:
            answer["id_token"] = self._id_token(asked["nonce"])
        return JSONResponse(answer)

    def _id_token(self, nonce: str) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce, **self.person}
        changes: dict[str, dict[str, Any]] = {
            "wrong nonce": {"nonce": "another"},
            "no nonce": {"nonce": None},
            "wrong audience": {"aud": "another-client"},
            "two audiences": {"aud": [CLIENT, "another"]},
            "other party": {"aud": [CLIENT, "another"], "azp": "another"},
            "other issuer of the token": {"iss": "https://evil.example"},
            "expired": {"exp": now - 120, "iat": now - 600},
            "not valid yet": {"nbf": now + 3_600},
            "issued tomorrow": {"iat": now + 86_400, "exp": now + 86_500},
            "valid for years": {"exp": now + 10**9},
            "time is a text": {"exp": str(now + 300)},
            "time is not finite": {"exp": float("inf")},
        }
        for fault in self.faults & changes.keys():
            claims |= changes[fault]
        return self._signed({name: value for name, value in claims.items() if value is not None})

    def _signed(self, claims: dict[str, Any]) -> str:
        header: dict[str, Any] = {"alg": "RS256", "kid": self._key.kid}
        if "alg none" in self.faults:
            return ".".join((_part(header | {"alg": "none"}), _part(claims), ""))
        if "signed with the public key as a secret" in self.faults:
            text = f"{_part(header | {'alg': 'HS256'})}.{_part(claims)}"
            tag = hmac.digest(self._key.as_pem(private=False), text.encode(), "sha256")
            return f"{text}.{base64.urlsafe_b64encode(tag).rstrip(b'=').decode()}"
        by_strangers: dict[str, dict[str, Any]] = {
            "signed by a stranger": {},
            "key in the token": {"jwk": self._stranger.as_dict(private=False)},
        }
        for fault in self.faults & by_strangers.keys():
            return jwt.encode(header | by_strangers[fault], claims, self._stranger)
        if "an access token" in self.faults:
            header["typ"] = "at+jwt"
        token = jwt.encode(header, claims, self._key)
        if "altered" in self.faults:
            head, _, signature = token.split(".")
            return ".".join((head, _part(claims | {"groups": ["audit-exporters"]}), signature))
        return token

    async def _keys(self, _: Request) -> Response:
        self.key_requests += 1
        key = self._key.as_dict(private=False, use="sig")
        if "keys are a secret" in self.faults:
            return JSONResponse({"keys": [jwk.OctKey.generate_key(256).as_dict()]})
        return JSONResponse({"keys": [key]})


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@contextmanager
def running_provider(host: str = "127.0.0.1") -> Iterator[OpenIdProvider]:
    """Serve a provider in a thread of its own."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        provider = OpenIdProvider(host, listener.getsockname()[1])
        config = uvicorn.Config(provider.app(), log_level="error", lifespan="off", loop="asyncio", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        until(lambda: server.started, what="the provider answers")
        try:
            yield provider
        finally:
            server.should_exit = True
            thread.join(30)
