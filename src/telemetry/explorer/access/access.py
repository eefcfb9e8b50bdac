"""Joins what decides about a visitor: sessions, ways to sign in, and the record of looks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from starlette.requests import Request

from telemetry.config import ExplorerConfig, TelemetryConfig
from telemetry.exceptions import ConfigurationError, Problem
from telemetry.explorer.access.door.cookies import Cookies
from telemetry.explorer.access.door.origins import Origins, local_urls
from telemetry.explorer.access.door.plain_request import HEALTH
from telemetry.explorer.access.door.sender import Senders, peer_of
from telemetry.explorer.access.looks import Looks
from telemetry.explorer.access.person import Person
from telemetry.explorer.access.records.denials import Denial
from telemetry.explorer.access.refused import Refused
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.session import Session
from telemetry.explorer.access.sessions import Sessions
from telemetry.explorer.access.sign_in.attempts import Attempts
from telemetry.explorer.access.sign_in.local_entry import LocalEntry
from telemetry.explorer.access.sign_in.oidc_sign_in import OidcSignIn
from telemetry.explorer.access.sign_in.proxy_identity import ProxyIdentity
from telemetry.explorer.access.visit import Visit, session_of, visit_of
from telemetry.pages.hostile_text import says_something

MAX_REASON = 1_000
"""Characters of a reason."""
_RECORDED = frozenset((401, 403, 429))
"""What is refused for who asks: it is recorded. Another host, a wrong address or a broken form says nothing about rights."""
_EVERYONES = (HEALTH, "/style.css", "/comfort.js", "/icon.svg", "/signed-out")
"""Paths for which a proxy need not say who asks."""

_NOBODY = Problem("explorer_config", "has neither oidc nor proxy", "name one of them")

EntryWay = LocalEntry | OidcSignIn | ProxyIdentity


class Access:
    """Decides about visitors. It is used in one event loop.

    Args:
        config: Bounds of sessions.
        origins: The addresses of the explorer.
        cookies: Its cookies.
        way: How persons sign in.
        looks: Records who looks at what.

    Attributes:
        origins: The same.
        cookies: The same.
        way: The same.
        looks: The same.
        sessions: The sessions.
        senders: Finds the address of a visitor.
        attempts: Bounds attempts to sign in.
        sign_out_url: Where a person signs out at the proxy; empty if nowhere.
    """

    def __init__(
        self, config: ExplorerConfig, *, origins: Origins, cookies: Cookies, way: EntryWay, looks: Looks
    ) -> None:
        self.origins = origins
        self.cookies = cookies
        self.way = way
        self.looks = looks
        self.sessions = Sessions(config)
        believed = config.proxy.peers if config.proxy is not None else ()
        self.senders = Senders([*config.trusted_proxies, *believed])
        self.attempts = Attempts(config.sign_ins_per_minute)
        self.sign_out_url = config.proxy.sign_out_url if config.proxy is not None else ""

    def make_link(self) -> str | None:
        """Return a new one-time link, for the terminal of the person who started the explorer; None where persons sign in.

        The former link is worth nothing from then on.
        """
        return self.way.make_link() if isinstance(self.way, LocalEntry) else None

    def find_session(self, request: Request, visit: Visit) -> None:
        """Put the visitor's session into the visit, if there is one; behind a proxy it begins here.

        Raises:
            Refused: The proxy does not say who it is, or it is not the proxy that asks.
        """
        headers = request.scope["headers"]
        token = self.cookies.value(self.cookies.session_name, headers)
        session = self.sessions.find(token, is_use=_is_by_a_person(headers))
        if not isinstance(self.way, ProxyIdentity):
            if session is not None:
                visit.go_on(session)
            return
        if request.url.path in _EVERYONES:
            return
        person = self.way.person_of(peer_of(request.scope), headers)
        if session is not None and session.person == person:
            visit.go_on(session)
            return
        if session is not None:
            # Another person at this browser, or another right: nothing of the former session goes on.
            self.sessions.end(session)
        self.begin(visit, person)

    def begin(self, visit: Visit, person: Person) -> Session:
        """Begin a session for a visitor who has just signed in; a session that the browser had ends.

        Raises:
            Refused: As many persons are signed in as may be.
        """
        if visit.session is not None:
            self.sessions.end(visit.session)
        session, token = self.sessions.begin(person, address=visit.address)
        visit.enter(session, cookie=self.cookies.session(token))
        return session

    async def give_reason(self, request: Request, reason: str) -> None:
        """Record that a person reads, and why; then content is shown to the session, which gets a new token.

        Args:
            request: The request of the person.
            reason: The reason, such as the number of a ticket.

        Raises:
            ConfigurationError: The reason says nothing, or is too long.
            ReadNotRecordedError: It could not be recorded, and ``read_audit`` is ``required``.
            Refused: There is no session, or it may not read.
        """
        session, text = session_of(request), " ".join(reason.split())
        if len(text) > MAX_REASON or not says_something(text):
            problem = f"says nothing, or has more than {MAX_REASON} characters"
            raise ConfigurationError(Problem("reason", problem, "say it in a sentence, or give the number of a ticket"))
        if not session.may(Right.READ):
            raise Refused(403, "needs_read", "You may not read content, so no reason is needed.")
        await self.looks.opened(session, text)
        session.open_content(text)
        token = self.sessions.renew(session)
        if token is not None:
            visit_of(request).enter(session, cookie=self.cookies.session(token))

    def sign_out(self, request: Request) -> None:
        """End the session of a visitor."""
        visit = visit_of(request)
        if visit.session is not None:
            self.sessions.end(visit.session)
        visit.leave(cookie=self.cookies.no_session())

    def deny(self, refusal: Refused, visit: Visit) -> None:
        """Record a refusal, if it is one of rights or of a sign-in."""
        if refusal.status not in _RECORDED:
            return
        session = visit.session
        subject, session_id = (session.person.subject, session.id) if session is not None else ("", "")
        self.looks.denials.add(Denial(refusal.reason, subject, session_id, visit.address or ""))


def _is_by_a_person(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether a request may be a person's: a page that loads itself again keeps no session from ending.

    Browsers say so over TLS and on this machine (Fetch Metadata, section 2.4); what says nothing counts as a person's.
    """
    sent = {key: value for key, value in headers if key in (b"sec-fetch-mode", b"sec-fetch-user")}
    return sent.get(b"sec-fetch-mode") != b"navigate" or b"sec-fetch-user" in sent


def local_access(config: TelemetryConfig, *, base_url: str, right: Right, looks: Looks) -> Access:
    """Return the access of an explorer for the person who starts it.

    Args:
        config: Configuration of the trail.
        base_url: Where it listens, such as ``http://127.0.0.1:43121``.
        right: What the person may do.
        looks: Records who looks at what.

    Raises:
        ConfigurationError: It listens where other machines reach it.
    """
    explorer = config.explorer_config or ExplorerConfig()
    origins = Origins([base_url])
    if not origins.is_local:
        reason = "is not reached by this machine alone, and nobody signs in"
        remedy = "listen on 127.0.0.1 or ::1, or configure oidc or proxy (docs/explorer-access.md)"
        raise ConfigurationError(Problem("explorer_config.listen", reason, remedy))
    return Access(
        explorer,
        origins=Origins(local_urls(base_url)),
        cookies=Cookies(is_https=origins.is_https, port=origins.first_port),
        way=LocalEntry(base_url, right=right),
        looks=looks,
    )


def served_access(config: TelemetryConfig, *, base_urls: Sequence[str], looks: Looks) -> Access:
    """Return the access of an explorer for several persons, who sign in.

    Args:
        config: Configuration of the trail; its ``explorer_config`` has ``oidc`` or ``proxy``.
        base_urls: The addresses under which browsers reach it.
        looks: Records who looks at what.

    Raises:
        ConfigurationError: Nobody could sign in.
    """
    explorer = config.explorer_config
    if explorer is None:
        raise ConfigurationError(_NOBODY)
    origins = Origins(base_urls)
    if explorer.oidc is not None:
        way: EntryWay = OidcSignIn(explorer.oidc, origin=origins.first)
    elif explorer.proxy is not None:
        way = ProxyIdentity(explorer.proxy)
    else:
        raise ConfigurationError(_NOBODY)
    return Access(explorer, origins=origins, cookies=Cookies(is_https=origins.is_https), way=way, looks=looks)
