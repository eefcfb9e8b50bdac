"""Configures signing in at an OpenID provider."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr, field_validator

from telemetry.config.endpoints import checked_url, is_this_machine
from telemetry.config.explorer.grants import GrantsConfig
from telemetry.config.model import ConfigModel
from telemetry.config.secret_files import SecretFiles
from telemetry.exceptions import ConfigurationError, Problem

_MAX_URL = 2_048


class OidcConfig(ConfigModel):
    """An OpenID provider (OpenID Connect Core 1.0), with which persons sign in to the explorer.

    Attributes:
        issuer: URL of the provider, exactly as its ``iss`` says it; ``https``, or ``http`` on the loopback interface.
        client_id: The explorer's name there; registered with the redirect address ``PUBLIC_URL/oidc/callback``.
        client_secret: Its secret; None for a client without one, which PKCE protects alone.
        client_secret_file: File whose first line is ``client_secret``.
        scopes: What is asked for; ``openid`` is among it.
        name: What the button is called, such as the name of the company's directory.
        subject_claim: Claim that identifies a person for grants and records: ``sub``, which no provider gives twice, or one
            that the provider alone can write and that never passes to another person.
        name_claim: Claim with a name for the screen.
        groups_claim: Claim with the person's groups: a list of texts, or one text.
        algorithms: Signatures of the ID token that are accepted; never ``none``, never a shared secret.
        ca_path: PEM file of authorities that are trusted for the provider beside the system's.
        timeout_seconds: Limit of one request to the provider.
        grants: Who gets which right.
    """

    secret_files: ClassVar[SecretFiles] = {"client_secret_file": "client_secret"}

    issuer: str = Field(max_length=_MAX_URL)
    client_id: str = Field(min_length=1, max_length=512)
    client_secret: SecretStr | None = None
    client_secret_file: Path | None = None
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    name: str = Field(default="the company account", min_length=1, max_length=100)
    subject_claim: str = Field(default="sub", min_length=1, max_length=100)
    name_claim: str = Field(default="name", min_length=1, max_length=100)
    groups_claim: str = Field(default="groups", min_length=1, max_length=200)
    algorithms: tuple[str, ...] = ("RS256", "ES256", "PS256", "Ed25519")
    ca_path: Path | None = None
    timeout_seconds: float = Field(default=10.0, ge=0.5, le=60)
    grants: GrantsConfig = Field(default_factory=GrantsConfig)

    @field_validator("issuer")
    @classmethod
    def _is_a_safe_url(cls, value: str) -> str:
        # The value stays as it is: it is compared with `iss`, and some providers write a slash at its end.
        checked_url(value, field="", allow_http=is_this_machine(value))
        return value

    @field_validator("scopes")
    @classmethod
    def _asks_for_an_identity(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in value or any(not scope or " " in scope for scope in value):
            raise ConfigurationError(Problem("", "lacks openid, or has an empty scope", 'write ["openid", "profile"]'))
        return value

    @field_validator("algorithms")
    @classmethod
    def _are_signatures_of_a_key_pair(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(value) - ALGORITHMS)
        if unknown or not value:
            reason = f"has {', '.join(unknown)[:64] or 'nothing'}, which proves no identity here"
            raise ConfigurationError(Problem("", reason, f"use {', '.join(sorted(ALGORITHMS))}"))
        return value


ALGORITHMS = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
)
"""Signatures of ID tokens that can be accepted: those of a key pair (RFC 7518, RFC 8037, RFC 9864)."""
