"""Configures the explorer: where it listens, who signs in, and how long a session lasts."""

from __future__ import annotations

from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from telemetry.config.encryption import SigningConfig
from telemetry.config.endpoints import checked_url, is_this_machine
from telemetry.config.explorer.oidc import OidcConfig
from telemetry.config.explorer.proxy import ProxyIdentityConfig
from telemetry.config.model import ConfigModel
from telemetry.exceptions import ConfigurationError, Problem

LOCAL_LISTEN = "http://127.0.0.1:0"
"""Where the explorer of one person listens: on a free port that no other machine reaches."""


class ExplorerConfig(ConfigModel):
    """Configuration of ``telemetry explore`` (docs/explorer.md, docs/explorer-access.md).

    Without ``oidc`` and ``proxy`` it serves one person at this machine, who gets a one-time link.

    Attributes:
        listen: Address: ``http://host:port`` on the loopback interface, ``https://host:port``, or ``unix:/path`` for a proxy;
            port 0 is a free one.
        public_urls: Addresses under which browsers reach it, such as ``https://audit.example.com``; requests for any other
            host are refused. Required with ``oidc`` and ``proxy``; the first one is that of the redirect address.
        allow_plain_http: Accept ``http`` beyond the loopback interface; sessions and events are then readable on the way.
        tls_certificate: PEM file with the server's certificate and those between it and its authority.
        tls_key: PEM file with its private key, without a passphrase.
        oidc: The OpenID provider at which persons sign in.
        proxy: The proxy that signs persons in.
        trusted_proxies: Addresses and networks of proxies whose ``X-Forwarded-For`` is believed for the address that is
            recorded; ``unix`` is one on a unix socket.
        session_idle_seconds: A session ends after this time without a request ...
        session_seconds: ... and after this time in any case.
        max_sessions: Sessions at the same time; a further person is refused until one ends.
        sign_ins_per_minute: Attempts to sign in, from one address.
        record_seconds: How long a page waits until it is recorded who looks; then it is not shown.
        max_events: Events in memory; the oldest are left out.
        evidence_signing: Key of role ``auditor`` that signs evidence packs.
    """

    listen: str = LOCAL_LISTEN
    public_urls: tuple[str, ...] = Field(default=(), max_length=20)
    allow_plain_http: bool = False
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    oidc: OidcConfig | None = None
    proxy: ProxyIdentityConfig | None = None
    trusted_proxies: tuple[str, ...] = Field(default=(), max_length=100)
    session_idle_seconds: float = Field(default=900.0, ge=10, le=86_400)
    session_seconds: float = Field(default=28_800.0, ge=60, le=7 * 86_400)
    max_sessions: int = Field(default=1_000, ge=1, le=10_000)
    sign_ins_per_minute: int = Field(default=20, ge=1, le=1_000)
    record_seconds: float = Field(default=10.0, ge=0.5, le=120)
    max_events: int = Field(default=500_000, ge=1_000, le=10_000_000)
    evidence_signing: SigningConfig | None = None

    @property
    def is_served(self) -> bool:
        """Whether persons sign in, instead of one at this machine who gets a link."""
        return self.oidc is not None or self.proxy is not None

    @field_validator("public_urls")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        origins = tuple(checked_url(url, field="", allow_http=True).lower() for url in value)
        if any(urlsplit(origin).path or "*" in origin for origin in origins):
            raise ConfigurationError(Problem("", "has a path or a pattern", "write https://audit.example.com"))
        return origins

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = [*self._unfit_identities(), *self._unfit_transport()]
        if problems:
            raise ConfigurationError(*problems)
        return self

    def _unfit_identities(self) -> list[Problem]:
        problems = []
        if self.oidc is not None and self.proxy is not None:
            problems.append(Problem("proxy", "is given beside oidc", "keep the one that signs persons in"))
        if self.is_served and not self.public_urls:
            remedy = 'write ["https://audit.example.com"], as browsers see it'
            problems.append(Problem("public_urls", "is required with oidc and proxy", remedy))
        if len({urlsplit(url).scheme for url in self.public_urls}) > 1:
            reason = "has addresses with and without TLS, which would share cookies"
            problems.append(Problem("public_urls", reason, "name those with https alone"))
        if self.proxy is not None and "unix" not in self.proxy.peers and self.listen.startswith("unix:"):
            problems.append(Problem("proxy.peers", "lacks unix, where the explorer listens", 'write ["unix"]'))
        return problems

    def _unfit_transport(self) -> list[Problem]:
        if self.allow_plain_http:
            return []
        return [
            Problem("public_urls", f"names {url}, which has no TLS", "write https://, or set allow_plain_http")
            for url in self.public_urls
            if url.startswith("http://") and not is_this_machine(url)
        ]
