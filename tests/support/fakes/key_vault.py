"""A Key Vault of one's own, in memory and over TLS: the part of its keys that wrapping needs.

What it does follows the service's reference (learn.microsoft.com):

- a request without a token is answered 401 with a challenge that names the authority and the resource
  (azure/key-vault/general/authentication-requests-and-responses);
- Get Key, Wrap Key and Unwrap Key take base64url values and answer with the ``kid`` of the exact version
  (rest/api/keyvault/keys/get-key, .../wrap-key, .../unwrap-key); without a version in the path the newest is meant;
- errors have a ``code``, a ``message`` and, for some, an ``innererror`` (azure/key-vault/general/rest-error-codes);
- any key may be looked up; a disabled one does not unwrap, but an RSA key that is disabled still wraps, as the owner of
  its public half could (seen on the service: github.com/Azure/azure-sdk-for-python/issues/45342); an expired one does not
  wrap but still unwraps (azure/key-vault/keys/about-keys-details, date-time controlled operations);
- a deleted key is 404 until it is recovered (azure/key-vault/general/soft-delete-overview).
"""

from __future__ import annotations

import base64
import json
import secrets
import ssl
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

if TYPE_CHECKING:
    from azure.core.credentials import AccessToken

_MAX_BODY = 64 << 10
_OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
_RSA_BITS = 2_048


class FakeAzureCredential:
    """A credential that gives one token.

    Args:
        token: The token.
    """

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:  # noqa: ARG002 - azure-core's TokenCredential
        """Return the token, as if it had an hour to live."""
        from azure.core.credentials import AccessToken  # noqa: PLC0415 - absent without the extra

        return AccessToken(self._token, int(time.time()) + 3_600)


@dataclass
class _Version:
    kty: str
    key: rsa.RSAPrivateKey | bytes
    made: int
    enabled: bool = True
    expires: int | None = None


@dataclass
class _State:
    token: str
    url: str = ""
    keys: dict[str, dict[str, _Version]] = field(default_factory=dict)
    deleted: dict[str, dict[str, _Version]] = field(default_factory=dict)
    refusals: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    refused_left: int | None = None
    calls: Counter[str] = field(default_factory=Counter)
    guard: threading.RLock = field(default_factory=threading.RLock)
    gate: threading.Event = field(default_factory=threading.Event)


class FakeKeyVault:
    """A server on 127.0.0.1 that lives as long as its context.

    Args:
        tls: Server side of TLS, with a certificate for ``localhost``; the SDK sends no token without TLS.

    Attributes:
        token: The only bearer token that it accepts.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        self.token = secrets.token_hex(16)
        self._state = _State(self.token)
        self._state.gate.set()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.state = self._state
        # The handshake belongs to the connection's own thread: a client that never shakes hands must not stop the rest.
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._state.url = self.url
        self._thread = threading.Thread(target=self._server.serve_forever, name="fake-key-vault", daemon=True)

    @property
    def url(self) -> str:
        """Base URL of the vault."""
        return f"https://localhost:{self._server.server_address[1]}"

    @property
    def credential(self) -> FakeAzureCredential:
        """A credential whose token the vault accepts."""
        return FakeAzureCredential(self.token)

    def calls(self, operation: str) -> int:
        """How many authorised requests of ``get``, ``wrapkey`` or ``unwrapkey`` arrived."""
        with self._state.guard:
            return self._state.calls[operation]

    def add_key(self, name: str, *, kty: str = "RSA") -> str:
        """Make a new version of a key of type ``RSA``, ``RSA-HSM`` or ``oct-HSM`` and return the version."""
        if kty.startswith("RSA"):
            key: rsa.RSAPrivateKey | bytes = rsa.generate_private_key(public_exponent=65_537, key_size=_RSA_BITS)
        else:
            key = secrets.token_bytes(32)
        version = secrets.token_hex(16)
        with self._state.guard:
            self._state.keys.setdefault(name, {})[version] = _Version(kty, key, int(time.time()))
        return version

    def set_enabled(self, name: str, enabled: bool) -> None:
        """Enable or disable every version of a key."""
        with self._state.guard:
            for version in self._state.keys[name].values():
                version.enabled = enabled

    def expire(self, name: str) -> None:
        """Let every version of a key be past its date."""
        with self._state.guard:
            for version in self._state.keys[name].values():
                version.expires = int(time.time()) - 60

    def delete(self, name: str) -> None:
        """Delete a key, softly."""
        with self._state.guard:
            self._state.deleted[name] = self._state.keys.pop(name)

    def recover(self, name: str) -> None:
        """Recover a deleted key."""
        with self._state.guard:
            self._state.keys[name] = self._state.deleted.pop(name)

    def refuse(
        self,
        operation: str,
        *,
        status: int = 403,
        code: str = "Forbidden",
        inner: str = "ForbiddenByRbac",
        times: int | None = None,
    ) -> None:
        """Answer every ``get``, ``wrapkey`` or ``unwrapkey`` with an error from now on, or ``times`` times."""
        with self._state.guard:
            self._state.refusals[operation] = (status, code, inner)
            self._state.refused_left = times

    def allow_all(self) -> None:
        """Take back every refusal."""
        with self._state.guard:
            self._state.refusals.clear()
            self._state.refused_left = None

    def hang(self) -> None:
        """Answer nothing until :meth:`resume`."""
        self._state.gate.clear()

    def resume(self) -> None:
        """Answer what waits, and everything after it."""
        self._state.gate.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.resume()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    state: _State

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away, or trust another authority, are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride] - socketserver sets it to what made it
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60.0

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in http.server
        """Say nothing."""

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(min(length, _MAX_BODY))
        authorization = self.headers.get("Authorization")
        if authorization is None:
            challenge = (
                'Bearer authorization="https://login.microsoftonline.com/tenant", resource="https://vault.azure.net"'
            )
            self._send(401, _error("Unauthorized", "AKV10000: no token"), {"WWW-Authenticate": challenge})
            return
        if authorization != f"Bearer {self.server.state.token}":
            self._send(403, _error("Forbidden", "not this caller", "AccessDenied"))
            return
        status, answer = self._answer(body)
        is_redirect = 300 <= status < 400
        self._send(status, answer, {"Location": self.path} if is_redirect else None)

    def _answer(self, body: bytes) -> tuple[int, Any]:
        state, url = self.server.state, urlsplit(self.path)
        if "api-version" not in parse_qs(url.query):
            return 400, _error("BadParameter", "api-version is missing")
        parts = url.path.strip("/").split("/")
        operation = parts.pop() if parts[-1] in ("wrapkey", "unwrapkey") else "get"
        if parts[0] != "keys" or len(parts) not in (2, 3) or (operation == "get") != (self.command == "GET"):
            return 405, _error("MethodNotAllowed", "no such operation")
        with state.guard:
            state.calls[operation] += 1
        state.gate.wait()
        with state.guard:
            refusal = self._refusal(operation)
            if refusal is not None:
                return refusal
            versions = state.keys.get(parts[1], {})
            version = parts[2] if len(parts) == 3 else next(reversed(versions), "")
            found = versions.get(version)
        if found is None:
            return 404, _error("KeyNotFound", "no key of this name or version is in this vault")
        kid = f"{state.url}/keys/{parts[1]}/{version}"
        return (200, _bundle(kid, found)) if operation == "get" else _operate(kid, found, operation, body)

    def _refusal(self, operation: str) -> tuple[int, Any] | None:
        state = self.server.state
        if operation not in state.refusals or state.refused_left == 0:
            return None
        if state.refused_left is not None:
            state.refused_left -= 1
        status, code, inner = state.refusals[operation]
        return status, _error(code, "refused", inner)

    def _send(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        for name, text in {**(headers or {}), "Content-Type": "application/json; charset=utf-8"}.items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _operate(kid: str, found: _Version, operation: str, body: bytes) -> tuple[int, Any]:
    if not found.enabled and (operation == "unwrapkey" or isinstance(found.key, bytes)):
        return 403, _error("Forbidden", f"Operation {operation} is not allowed on a disabled key.", "KeyDisabled")
    if operation == "wrapkey" and found.expires is not None and found.expires <= time.time():
        return 403, _error("Forbidden", f"Operation {operation} is not allowed on an expired key.", "KeyExpired")
    try:
        asked = json.loads(body)
        value = base64.urlsafe_b64decode(asked["value"] + "=" * (-len(asked["value"]) % 4))
        done = _wrap(found, asked["alg"], value) if operation == "wrapkey" else _unwrap(found, asked["alg"], value)
    except (ValueError, KeyError, TypeError, InvalidUnwrap):
        return 400, _error("BadParameter", "The parameter is incorrect.")
    return 200, {"kid": kid, "value": _base64url(done)}


def _wrap(found: _Version, algorithm: str, value: bytes) -> bytes:
    if isinstance(found.key, bytes):
        _require(algorithm == "A256KW")
        return aes_key_wrap(found.key, value)
    _require(algorithm == "RSA-OAEP-256")
    return found.key.public_key().encrypt(value, _OAEP)


def _unwrap(found: _Version, algorithm: str, value: bytes) -> bytes:
    if isinstance(found.key, bytes):
        _require(algorithm == "A256KW")
        return aes_key_unwrap(found.key, value)
    _require(algorithm == "RSA-OAEP-256")
    return found.key.decrypt(value, _OAEP)


def _require(fits: bool) -> None:
    if not fits:
        raise ValueError


def _bundle(kid: str, found: _Version) -> dict[str, Any]:
    key: dict[str, Any] = {"kid": kid, "kty": found.kty, "key_ops": ["wrapKey", "unwrapKey"]}
    if not isinstance(found.key, bytes):
        numbers = found.key.public_key().public_numbers()
        key |= {"n": _number(numbers.n), "e": _number(numbers.e)}
    attributes = {"enabled": found.enabled, "created": found.made, "updated": found.made}
    if found.expires is not None:
        attributes["exp"] = found.expires
    return {"key": key, "attributes": attributes, "tags": {}}


def _error(code: str, message: str, inner: str | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message}
    if inner is not None:
        error["innererror"] = {"code": inner}
    return {"error": error}


def _number(value: int) -> str:
    return _base64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
