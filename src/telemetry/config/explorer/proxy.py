"""Configures the identity that a proxy in front of the explorer passes on."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Self

from pydantic import Field, field_validator, model_validator

from telemetry.config.explorer.grants import GrantsConfig
from telemetry.config.model import ConfigModel
from telemetry.exceptions import ConfigurationError, Problem

_HEADER = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
_TAKEN = frozenset(
    (
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "host",
        "origin",
        "x-forwarded-for",
        "forwarded",
    )
)

_SHORTEST = {4: 8, 6: 16}
"""Bits of the largest network that can be believed, by the version of IP."""


class ProxyIdentityConfig(ConfigModel):
    """A proxy that signs persons in, and says in headers who they are.

    Anyone who reaches the explorer past the proxy is refused; the proxy must remove these headers from what its clients send.

    Attributes:
        peers: Addresses and networks from which the proxy connects; ``unix`` is one on a unix socket. Networks have at least 8
            bits, those of IPv6 16.
        user_header: Header with what identifies the person.
        name_header: Header with a name for the screen; empty for none.
        groups_header: Header with the person's groups, joined by ``groups_separator``; empty for none.
        groups_separator: What is between two groups.
        sign_out_url: Page of the proxy that ends its session too; a path or a URL. Empty for none.
        grants: Who gets which right.
    """

    peers: tuple[str, ...] = Field(min_length=1, max_length=100)
    user_header: str = "x-forwarded-user"
    name_header: str = ""
    groups_header: str = "x-forwarded-groups"
    groups_separator: str = Field(default=",", min_length=1, max_length=4)
    sign_out_url: str = Field(default="", max_length=2_048)
    grants: GrantsConfig = Field(default_factory=GrantsConfig)

    @field_validator("peers")
    @classmethod
    def _are_few(cls, peers: tuple[str, ...]) -> tuple[str, ...]:
        if any(map(_is_everyone, peers)):
            reason = "has a network so large that anyone there could say who they are"
            raise ConfigurationError(Problem("", reason, "name the addresses of the proxy alone"))
        return peers

    @field_validator("user_header", "name_header", "groups_header")
    @classmethod
    def _is_a_header(cls, value: str) -> str:
        name = value.lower()
        if name and (_HEADER.fullmatch(name) is None or name in _TAKEN):
            raise ConfigurationError(
                Problem("", "is not the name of such a header", "write one such as x-forwarded-user")
            )
        return name

    @model_validator(mode="after")
    def _names_persons(self) -> Self:
        named = [name for name in (self.user_header, self.name_header, self.groups_header) if name]
        if not self.user_header or len(set(named)) != len(named):
            reason = "is missing, or is the same as another one"
            raise ConfigurationError(Problem("user_header", reason, "name one header for each"))
        return self


def _is_everyone(peer: str) -> bool:
    try:
        network = ip_network(peer, strict=False)
    except ValueError:
        return False  # `unix`, or refused where it is used
    return network.prefixlen < _SHORTEST[network.version]
