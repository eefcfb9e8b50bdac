"""Says what browsers may do with an answer of the explorer."""

from __future__ import annotations

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
"""The content security policy: no inline script or style, nothing of another host, no frame."""

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    # Not `no-referrer`: browsers would then send forms with `Origin: null`, and no other site gets a referrer from this either.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-embedder-policy", b"require-corp"),
    (b"x-frame-options", b"DENY"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"x-robots-tag", b"noindex, nofollow"),
)
"""Headers of each answer."""

NO_STORE = (b"cache-control", b"no-store")
"""What an answer gets that does not say itself how long it is good for: content stays in no cache."""
ONLY_TLS = (b"strict-transport-security", b"max-age=31536000")
"""For browsers that came over TLS: they do not try without it (RFC 6797)."""
