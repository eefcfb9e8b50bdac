"""Writes and reads the cookies of the explorer."""

from __future__ import annotations

from collections.abc import Iterable

_MAX_HEADER = 16 * 1024
_SIGN_IN_SECONDS = 600


class Cookies:
    """The cookies of one explorer.

    Cookies do not know ports: two explorers on one machine need different names. With ``https`` the prefix ``__Host-`` makes
    browsers refuse a cookie that another host of the domain wrote (RFC 6265bis, section 4.1.3).

    Args:
        is_https: Whether browsers reach the explorer over TLS.
        port: Port in the name, on a machine of one person; None where the host has one explorer.
    """

    def __init__(self, *, is_https: bool, port: int | None = None) -> None:
        prefix = "__Host-" if is_https else ""
        suffix = "" if port is None else f"-{port}"
        self._flags = "; Path=/; HttpOnly" + ("; Secure" if is_https else "")
        self.session_name = f"{prefix}telemetry-session{suffix}"
        self.sign_in_name = f"{prefix}telemetry-sign-in{suffix}"

    def session(self, token: str) -> str:
        """Return ``Set-Cookie`` of a session; it goes with the browser, and never with a request from another site."""
        return f"{self.session_name}={token}{self._flags}; SameSite=Strict"

    def no_session(self) -> str:
        """Return ``Set-Cookie`` that ends the session in the browser."""
        return f"{self.session_name}={self._flags}; SameSite=Strict; Max-Age=0"

    def sign_in(self, token: str) -> str:
        """Return ``Set-Cookie`` that ties a sign-in to this browser; the provider's answer comes from another site."""
        return f"{self.sign_in_name}={token}{self._flags}; SameSite=Lax; Max-Age={_SIGN_IN_SECONDS}"

    def no_sign_in(self) -> str:
        """Return ``Set-Cookie`` that ends the sign-in in the browser."""
        return f"{self.sign_in_name}={self._flags}; SameSite=Lax; Max-Age=0"

    def value(self, name: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Return the value of a cookie; empty if it is absent, or there several times: one of them is somebody else's.

        Args:
            name: Name of the cookie.
            headers: Headers of the request, as ASGI has them.
        """
        text = "; ".join(value.decode("latin-1") for key, value in headers if key == b"cookie")
        if len(text) > _MAX_HEADER:
            return ""
        pairs = (part.strip().partition("=") for part in text.split(";"))
        found = [value for key, _, value in pairs if key == name]
        return found[0] if len(found) == 1 else ""
