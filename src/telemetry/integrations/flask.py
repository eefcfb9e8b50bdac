"""Records the requests of a Flask application, and the logins and logouts of Flask-Login.

>>> FlaskAudit(app)  # doctest: +SKIP
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from telemetry.audited_calls import audited
from telemetry.context import audit_context, current_audit_context, update_audit_context
from telemetry.exceptions import MissingExtraError
from telemetry.integrations.web.actor import Actor, actor_of
from telemetry.integrations.web.request_audit import RequestAudit
from telemetry.integrations.web.sampling import Sampling
from telemetry.integrations.web.settings import WebOptions
from telemetry.integrations.wsgi import AUDIT, ERROR, ROUTE, AuditMiddleware

try:
    import flask
except ImportError as exc:
    _FEATURE = "telemetry.integrations.flask"
    raise MissingExtraError(_FEATURE, "flask") from exc

if TYPE_CHECKING:
    from telemetry import Telemetry, TelemetryConfig

__all__ = [
    "Actor",
    "FlaskAudit",
    "Sampling",
    "audit_context",
    "audited",
    "current_audit_context",
    "update_audit_context",
]


class FlaskAudit:
    """Records requests as ``http.request`` events, and opens the audit context of each.

    The user is Flask-Login's, where the application has a login manager; logins and logouts are then the events
    ``user.login`` and ``user.logout``.

    Args:
        app: The application; None to call :meth:`init_app` later.
        telemetry: What logs; None creates one from ``config``.
        config: Configuration of the one that is created, or its file; None is the ``TELEMETRY_*`` variables.
        **options: What is recorded; see ``telemetry.integrations.web.settings.WebSettings``. Hooks get ``flask.request``.

    Raises:
        ConfigurationError: The options or the configuration cannot work.
    """

    def __init__(
        self,
        app: flask.Flask | None = None,
        *,
        telemetry: Telemetry | None = None,
        config: TelemetryConfig | str | Path | None = None,
        **options: Unpack[WebOptions],
    ) -> None:
        self._telemetry = telemetry
        self._config = config
        self._options = options
        if app is not None:
            self.init_app(app)

    def init_app(self, app: flask.Flask) -> None:
        """Record the requests of an application."""
        options = self._options.copy()
        options["actor"] = _in_request(_either(options.get("actor"), _login_user))
        session = options.get("session")
        if session is not None:
            options["session"] = _in_request(session)
        middleware = AuditMiddleware(app.wsgi_app, telemetry=self._telemetry, config=self._config, **options)
        app.wsgi_app = middleware  # type: ignore[method-assign]  # what Flask's documentation says
        # Signals refer to their receivers weakly: the application keeps this object.
        app.extensions["telemetry"] = self
        flask.request_started.connect(self._started, app)
        flask.got_request_exception.connect(self._raised, app)
        flask.request_finished.connect(self._finished, app)
        if importlib.util.find_spec("flask_login") is not None:
            import flask_login  # noqa: PLC0415 - only where the application has it

            flask_login.user_logged_in.connect(self._logged_in, app)
            flask_login.user_logged_out.connect(self._logged_out, app)

    def _started(self, _app: flask.Flask, **_: Any) -> None:
        rule = flask.request.url_rule
        flask.request.environ[ROUTE] = rule.rule if rule is not None else None

    def _raised(self, _app: flask.Flask, exception: BaseException, **_: Any) -> None:
        flask.request.environ[ERROR] = exception

    def _finished(self, _app: flask.Flask, response: Any, **_: Any) -> None:
        # The request is recorded when its body has been sent: Flask's context and its user are gone by then.
        audit = _audit()
        if audit is not None and audit.would_record(response.status_code, route=flask.request.environ.get(ROUTE)):
            audit.ask_who_acts()

    def _logged_in(self, _app: flask.Flask, user: Any, **_: Any) -> None:
        self._record_login("user.login", user)

    def _logged_out(self, _app: flask.Flask, user: Any, **_: Any) -> None:
        self._record_login("user.logout", user)

    def _record_login(self, event_type: str, user: Any) -> None:
        audit = _audit()
        if audit is not None:
            audit.user_seen(user)
            audit.record_more(event_type, {}, outcome="success")


def _audit() -> RequestAudit | None:
    return flask.request.environ.get(AUDIT) if flask.has_request_context() else None


def _in_request(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a hook that gets Flask's request, and is not asked after the request has ended."""

    def ask(_environ: Any) -> Any:
        return hook(flask.request) if flask.has_request_context() else None

    return ask


def _either(hook: Callable[[Any], Any] | None, other: Callable[[Any], Any]) -> Callable[[Any], Any]:
    if hook is None:
        return other

    def ask(request: Any) -> Any:
        actor = actor_of(hook(request))
        return other(request) if actor is None else actor

    return ask


def _login_user(_request: Any) -> Any:
    if not hasattr(flask.current_app, "login_manager"):
        return None
    import flask_login  # noqa: PLC0415 - the application has it

    return flask_login.current_user
