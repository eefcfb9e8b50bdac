"""Runs a token endpoint over TLS (client credentials, RFC 6749 4.4), and publishes the keys that brokers check."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT_ID = "payments-client"
CLIENT_SECRET = "oauth-secret"
ISSUER = "https://identity.example"
AUDIENCE = "kafka"
_KEY_BITS = 2_048
_TOKEN_SECONDS = 300


class IdentityProvider:
    """Issues signed tokens for one client.

    Args:
        keystore: PEM file with the server's key and certificate chain.
        jwks: Where the public keys are written, for the broker.
        subject: The principal that tokens name.
    """

    def __init__(self, keystore: Path, jwks: Path, *, subject: str) -> None:
        self._key = RSAKey.generate_key(_KEY_BITS, parameters={"kid": "one", "use": "sig", "alg": "RS256"})
        jwks.write_text(json.dumps(KeySet([self._key]).as_dict(private=False)))
        self._subject = subject
        self.issued = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(keystore)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, name="identity-provider", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def token_url(self) -> str:
        """Address of the token endpoint."""
        return f"https://127.0.0.1:{self._server.server_address[1]}/token"

    def change_key(self) -> None:
        """Sign with a key that the broker does not know, under the name of the one it knows."""
        self._key = RSAKey.generate_key(_KEY_BITS, parameters={"kid": "one", "use": "sig", "alg": "RS256"})

    def _token(self) -> str:
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": self._subject, "iat": now, "exp": now + _TOKEN_SECONDS}
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, self._key)

    def _answer(self, authorization: str) -> tuple[int, dict[str, object]]:
        expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if authorization != f"Basic {expected}":
            return 401, {"error": "invalid_client", "error_description": f"unknown: {authorization}"}
        self.issued += 1
        return 200, {"access_token": self._token(), "token_type": "Bearer", "expires_in": _TOKEN_SECONDS}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                status, answer = provider._answer(self.headers.get("Authorization", ""))
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's name
                del format, arguments

        return Handler
