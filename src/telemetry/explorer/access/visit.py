"""Carries what is known of a request's sender from the door to the routes."""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.types import Scope

from telemetry.explorer.access.form import Form
from telemetry.explorer.access.refused import Refused
from telemetry.explorer.access.session import Session

_KEY = "telemetry.explorer.visit"


class Visit:
    """One request, and what the door found out about it.

    Args:
        session: Session of the visitor; None without one.
        address: IP address of the visitor; None on a unix socket.

    Attributes:
        session: The same; another one after signing in, None after signing out.
        address: The same.
        form: The form that was sent; its token was compared.
        cookies: Values of ``Set-Cookie`` that the answer gets.
    """

    def __init__(self, session: Session | None, *, address: str | None) -> None:
        self.session = session
        self.address = address
        self.form = Form()
        self.cookies: list[str] = []

    def put_into(self, scope: Scope) -> None:
        """Let the routes find this visit."""
        scope[_KEY] = self

    def go_on(self, session: Session) -> None:
        """Go on as the visitor of a session that the browser knows."""
        session.come_from(self.address)
        self.session = session

    def enter(self, session: Session, *, cookie: str) -> None:
        """Go on as the visitor of a session, which this cookie makes known to the browser."""
        self.session = session
        self.set_cookie(cookie)

    def set_cookie(self, cookie: str) -> None:
        """Have the answer set a cookie, as ``Set-Cookie`` writes it."""
        self.cookies.append(cookie)

    def leave(self, *, cookie: str) -> None:
        """Go on without a session; the cookie ends the old one in the browser."""
        self.session = None
        self.cookies.append(cookie)

    def receive(self, form: Form) -> None:
        """Keep the form that was sent."""
        self.form = form


def visit_of(request: HTTPConnection) -> Visit:
    """Return the visit that a request is part of.

    Raises:
        LookupError: The request did not come through the door.
    """
    visit: Visit | None = request.scope.get(_KEY)
    if visit is None:
        message = "this application is served without its door; use guarded_app()"
        raise LookupError(message)
    return visit


def session_of(request: HTTPConnection) -> Session:
    """Return the session of a visitor who has signed in.

    Raises:
        Refused: There is none.
    """
    session = visit_of(request).session
    if session is None:
        raise Refused(401, "not_signed_in", "Sign in first.")
    return session


def form_of(request: HTTPConnection) -> Form:
    """Return the form that was sent; it is empty for anything but POST."""
    return visit_of(request).form
