"""Configures the gateway: where it listens, and who may call."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from telemetry.config.gateway.limits import GatewayLimits
from telemetry.config.gateway.otlp import OtlpConfig
from telemetry.config.model import ConfigModel

ADMIN_LISTEN = "http://127.0.0.1:9464"
"""Where health and metrics are answered by default: nobody but this machine can ask."""


class GatewayConfig(ConfigModel):
    """Configuration of ``telemetry serve`` (docs/gateway.md).

    Attributes:
        listen: Addresses: ``https://host:port``, ``unix:/path``, and ``http://host:port`` on the loopback interface.
        admin_listen: Address of ``/healthz``, ``/readyz`` with its reasons, and ``/metrics``; empty for none.
        allow_plain_http: Accept ``http://`` in ``listen`` beyond the loopback interface; tokens and events are then
            readable on the way.
        tls_certificate: PEM file with the server's certificate and those between it and its authority.
        tls_key: PEM file with its private key, without a passphrase.
        client_ca: PEM file with the authorities whose client certificates are accepted.
        client_certificates: ``required``: a caller on ``https`` needs a certificate; ``optional``: a token is enough.
        identities: File that says which certificate, token or user logs for which service.
        trusted_proxies: Addresses and networks of proxies; ``unix`` is one on a unix socket. What they say of their clients
            is believed, and what they are themselves identifies nobody.
        proxy_header: The header in which they name the client's address; the other one is not read.
        forwarded_certificates: Believe ``Client-Cert`` (RFC 9440) of the trusted proxies.
        reload_seconds: How often the files are looked at for a change; SIGHUP does it at once.
        refused_per_minute: Events a minute about denied and malformed calls; what is beyond is counted in the next one.
        shutdown_seconds: Time for requests that are being answered when the gateway ends.
        limits: Bounds of what callers may take.
        otlp: How log records of OTLP become events.
    """

    listen: tuple[str, ...] = ()
    admin_listen: str = ADMIN_LISTEN
    allow_plain_http: bool = False
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None
    client_certificates: Literal["required", "optional"] = "required"
    identities: Path | None = None
    trusted_proxies: tuple[str, ...] = ()
    proxy_header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"
    forwarded_certificates: bool = False
    reload_seconds: float = Field(default=10.0, ge=0.1, le=3_600)
    refused_per_minute: int = Field(default=60, ge=1, le=6_000)
    shutdown_seconds: float = Field(default=10.0, ge=0, le=600)
    limits: GatewayLimits = Field(default_factory=GatewayLimits)
    otlp: OtlpConfig = Field(default_factory=OtlpConfig)
