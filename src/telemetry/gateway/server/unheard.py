"""Reports those who never get as far as a request: their TLS fails, or what they send is no HTTP."""

from __future__ import annotations

import ssl
from typing import Protocol

from telemetry.gateway.peer import Peer

NO_CERTIFICATE, BAD_CERTIFICATE, TLS_FAILED, NOT_HTTP = "no_certificate", "bad_certificate", "tls_failed", "not_http"
TOO_MANY_CONNECTIONS = "too_many_connections"
REASONS = (NO_CERTIFICATE, BAD_CERTIFICATE, TLS_FAILED, NOT_HTTP, TOO_MANY_CONNECTIONS)
"""Every reason that there is."""


class Unheard(Protocol):
    """Is told of them; the gateway is one."""

    def denied(self, peer: Peer, reason: str) -> None:
        """Report a caller whose certificate is absent or not accepted."""

    def malformed(self, peer: Peer, reason: str) -> None:
        """Report a caller that does not speak HTTP."""

    def dropped(self, reason: str) -> None:
        """Count a connection that ended before anything was said, as probes of a load balancer do, or that was one too many."""


class IgnoredPeers:
    """Ignores what is no request, for a server on which nobody shows who they are before one."""

    def denied(self, peer: Peer, reason: str) -> None:
        """Ignore a failed handshake."""

    def malformed(self, peer: Peer, reason: str) -> None:
        """Ignore what is not HTTP; it was answered 400."""

    def dropped(self, reason: str) -> None:
        """Ignore a connection that ended early."""


def report_handshake(unheard: Unheard, peer: Peer, error: Exception) -> None:
    """Report a TLS handshake that failed.

    Args:
        unheard: Is told.
        peer: The other end; it has shown no certificate that counts.
        error: Why it failed.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        unheard.denied(peer, BAD_CERTIFICATE)
    elif isinstance(error, ssl.SSLError) and error.reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE":
        unheard.denied(peer, NO_CERTIFICATE)
    else:
        unheard.dropped(TLS_FAILED)
