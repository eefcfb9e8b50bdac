"""Defines what an application may say about the recording of its requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from telemetry.exceptions import ConfigurationError
from telemetry.integrations.web.client_address import ProxyHeader
from telemetry.integrations.web.rules import Methods
from telemetry.integrations.web.sampling import Sampling

Before = Literal["durable", "delivered"]

BEFORE_SECONDS = 5.0


class WebOptions(TypedDict, total=False):
    """The options of a web integration, as keyword arguments; :class:`WebSettings` explains them."""

    methods: Methods
    include: Iterable[str]
    exclude: Iterable[str]
    sample: float | Sampling
    trusted_proxies: Iterable[str]
    proxy_header: ProxyHeader
    actor: Callable[[Any], Any] | None
    session: Callable[[Any], Any] | None
    session_cookie: str | None
    before_response: Before | None
    before_response_timeout: float


@dataclass(frozen=True, kw_only=True)
class WebSettings:
    """What is recorded of a request.

    Args:
        methods: ``writes`` (all but GET, HEAD, OPTIONS and TRACE), ``all``, or names of methods.
        include: Patterns of route templates; only these are recorded.
        exclude: Patterns of route templates that are not recorded.
        sample: Share of the successful requests that is recorded, 0 to 1, or a ``Sampling`` that may change.
        trusted_proxies: Addresses and networks of proxies whose header is believed, or ``unix``.
        proxy_header: The header that they write: ``x-forwarded-for`` or ``forwarded``.
        actor: Returns who acts, from what the framework knows of the request: None, an id, a user object, an ``Actor``.
        session: Returns the id of the session.
        session_cookie: Name of the cookie of the session; the id of the session is then a hash of its value.
        before_response: ``durable`` or ``delivered``: the answer waits until its event is so safe, and becomes a 503 if it is
            not in time. By default no answer waits.
        before_response_timeout: How long it waits at most, in seconds.

    Raises:
        ConfigurationError: Options exclude each other, or one is no known word.
    """

    methods: Methods = "writes"
    include: Iterable[str] = ()
    exclude: Iterable[str] = ()
    sample: float | Sampling = 1.0
    trusted_proxies: Iterable[str] = ()
    proxy_header: ProxyHeader = "x-forwarded-for"
    actor: Callable[[Any], Any] | None = None
    session: Callable[[Any], Any] | None = None
    session_cookie: str | None = None
    before_response: Before | None = None
    before_response_timeout: float = BEFORE_SECONDS

    def __post_init__(self) -> None:
        if self.proxy_header not in {"x-forwarded-for", "forwarded"}:
            message = 'proxy_header must be "x-forwarded-for" or "forwarded"'
            raise ConfigurationError(message)
        if self.before_response not in {None, "durable", "delivered"}:
            message = 'before_response must be "durable" or "delivered"'
            raise ConfigurationError(message)
        if self.session is not None and self.session_cookie is not None:
            message = "session and session_cookie name the same thing twice: give one of them"
            raise ConfigurationError(message)
