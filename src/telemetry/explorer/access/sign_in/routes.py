"""The pages of signing in and out."""

from __future__ import annotations

from urllib.parse import quote

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from telemetry.explorer.access.access import Access
from telemetry.explorer.access.own_path import safe_next
from telemetry.explorer.access.pages import CONTINUE, ENTER, SIGN_IN, SIGNED_OUT, Pages
from telemetry.explorer.access.refused import FORBIDDEN, Refused
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.route import anyone, require
from telemetry.explorer.access.sign_in.local_entry import LocalEntry
from telemetry.explorer.access.sign_in.oidc_sign_in import CALLBACK, OidcSignIn
from telemetry.explorer.access.visit import form_of, visit_of

_SEE_OTHER = 303
_DEAD_LINK = "This link does not work: it is used up, older than five minutes, or another one was made since."
_TOO_MANY = "There were too many attempts to sign in from your address. Wait a minute and try again."
_TOKEN_FIELD = "link"  # noqa: S105 - the name of a field


def sign_in_routes(access: Access, pages: Pages) -> list[Route]:
    """Return the routes of the way in that an explorer has."""
    way = access.way
    routes = _leaving(access, pages, way if isinstance(way, OidcSignIn) else None)
    if isinstance(way, LocalEntry):
        return [*routes, *_by_link(access, way, pages), _welcome(pages, "link", "")]
    if isinstance(way, OidcSignIn):
        return [*routes, *_by_provider(access, way, pages), _welcome(pages, "oidc", way.name)]
    return [*routes, _welcome(pages, "proxy", "")]


def sign_in_path(follow: str) -> str:
    """Return the path of the sign-in page that leads on to a path of the explorer."""
    return "/sign-in" if follow == "/" else f"/sign-in?next={quote(follow, safe='')}"


def _welcome(pages: Pages, how: str, name: str) -> Route:
    @anyone
    async def sign_in(request: Request) -> Response:
        follow = safe_next(request.query_params.get("next", "/"))
        start = f"/oidc/start?next={quote(follow, safe='')}"
        return pages.page(request, SIGN_IN, how=how, provider=name, start=start, follow=follow)

    return Route("/sign-in", sign_in, methods=["GET"])


def _by_link(access: Access, way: LocalEntry, pages: Pages) -> list[Route]:
    @anyone
    async def confirm(request: Request) -> Response:
        # Programs that look at a link ahead of a person do not send the form, so they do not use it up.
        token = request.path_params["token"]
        is_good = way.is_good(token)
        return pages.page(
            request, ENTER, status=200 if is_good else 410, is_good=is_good, token=token if is_good else ""
        )

    @anyone
    async def enter(request: Request) -> Response:
        _require_attempt(access, request)
        person = way.take(form_of(request).get(_TOKEN_FIELD))
        if person is None:
            raise Refused(FORBIDDEN, "dead_link", _DEAD_LINK)
        access.begin(visit_of(request), person)
        return RedirectResponse("/", _SEE_OTHER)

    return [
        Route("/enter/{token}", confirm, methods=["GET"]),
        Route("/enter", enter, methods=["POST"]),
    ]


def _by_provider(access: Access, way: OidcSignIn, pages: Pages) -> list[Route]:
    cookies = access.cookies

    @anyone
    async def start(request: Request) -> Response:
        _require_attempt(access, request)
        url, browser = await way.begin(safe_next(request.query_params.get("next", "/")))
        visit_of(request).set_cookie(cookies.sign_in(browser))
        return RedirectResponse(url, _SEE_OTHER)

    @anyone
    async def callback(request: Request) -> Response:
        _require_attempt(access, request)
        visit = visit_of(request)
        browser = cookies.value(cookies.sign_in_name, request.scope["headers"])
        visit.set_cookie(cookies.no_sign_in())
        person, follow = await way.finish(_once(request.query_params), browser=browser)
        access.begin(visit, person)
        # A page, and no redirect: browsers do not send the new cookie along a way that began at the provider's site.
        response = pages.page(request, CONTINUE, follow=follow)
        response.headers["Refresh"] = f"0; url={follow}"
        return response

    return [
        Route("/oidc/start", start, methods=["GET"]),
        Route(CALLBACK, callback, methods=["GET"]),
    ]


def _leaving(access: Access, pages: Pages, way: OidcSignIn | None) -> list[Route]:
    @require(Right.SEALED)
    async def sign_out(request: Request) -> Response:
        access.sign_out(request)
        return RedirectResponse("/signed-out", _SEE_OTHER)

    @anyone
    async def signed_out(request: Request) -> Response:
        url = await way.end_session_url() if way is not None else access.sign_out_url
        return pages.page(request, SIGNED_OUT, end_session_url=url)

    return [
        Route("/sign-out", sign_out, methods=["POST"]),
        Route("/signed-out", signed_out, methods=["GET"]),
    ]


def _require_attempt(access: Access, request: Request) -> None:
    if not access.attempts.take(visit_of(request).address):
        raise Refused(429, "too_many_attempts", _TOO_MANY)


def _once(parameters: QueryParams) -> dict[str, str]:
    """Return the parameters that are there once: of two, one is somebody else's (RFC 6749, section 3.1)."""
    names = [name for name, _ in parameters.multi_items()]
    return {name: value for name, value in parameters.multi_items() if names.count(name) == 1}
