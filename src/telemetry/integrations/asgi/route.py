"""Finds the template of the route that a request took: ``/orders/{order_id}``, never its path."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from telemetry.integrations.asgi.messages import Scope

_PARAMETER = "{%s}"


class RouteFinder:
    """Names the route of one request.

    Litestar writes the template into the scope, Starlette 1 and FastAPI the route. Otherwise the path is compared with the
    application's routes here: after an older Starlette, and where a middleware answered before any routing.

    Args:
        scope: Scope of the request, as the server made it: mounted applications change it.
    """

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._application = scope.get("app")
        self._root: str = scope.get("root_path", "")

    def template(self) -> str | None:
        """Return the route's template; None if none matched, the framework names none, or its routes are of another kind."""
        try:
            return self._template()
        except Exception:  # noqa: BLE001 - routes of other libraries; the answer and its event matter more
            return None

    def _template(self) -> str | None:
        template = self._scope.get("path_template")
        if isinstance(template, str):
            return template or None
        route = self._scope.get("route")
        if route is None:
            return self._compared()
        is_mount = hasattr(route, "routes")
        prefix = _mount_prefix(self._scope, own=() if is_mount else getattr(route, "param_convertors", ()))
        if prefix is None:
            return None
        if is_mount:
            return f"{prefix}/{{path}}"  # the mounted application found no route of its own
        path = getattr(_with_prefixes(self._scope, route), "path", None)
        return prefix + path if isinstance(path, str) else None

    def _compared(self) -> str | None:
        application = self._application
        if application is None and "app_root_path" not in self._scope:  # the middleware is outside of the application
            application = self._scope.get("app")
        routes, path = getattr(application, "routes", None), self._scope.get("path")
        if not isinstance(routes, Iterable) or not isinstance(path, str):
            return None
        if self._root and path.startswith(self._root + "/"):
            path = path[len(self._root) :]
        return _matching(routes, path, method=self._scope.get("method", "WEBSOCKET"))


def _with_prefixes(scope: Scope, route: Any) -> Any:
    """Return the route as FastAPI sees it with the prefixes of the routers that include it."""
    known = scope.get("fastapi")
    context = known.get("effective_route_context") if isinstance(known, Mapping) else None
    is_this = route in (getattr(context, "original_route", None), getattr(context, "starlette_route", None))
    return context if is_this else route


def _mount_prefix(scope: Scope, *, own: Container[str]) -> str | None:
    """Return the templates of the mounts around a route; None where a parameter of theirs cannot be told from its value.

    Args:
        scope: Scope of the request.
        own: Parameters of the route itself.
    """
    if "app_root_path" not in scope:
        return ""
    segments = scope.get("root_path", "")[len(scope["app_root_path"]) :].split("/")
    for name, value in scope.get("path_params", {}).items():
        if name in own:
            continue
        if str(value) not in segments:
            return None
        segments = [_PARAMETER % name if segment == str(value) else segment for segment in segments]
    return "/".join(segments)


def _matching(routes: Iterable[Any], path: str, *, method: str) -> str | None:
    partial = None
    for route in _flat(routes):
        pattern = getattr(route, "path_regex", None)
        template = getattr(route, "path", None)
        found = pattern.match(path) if pattern is not None else None
        if found is None or not isinstance(template, str):
            continue
        mounted = getattr(route, "routes", None)
        if mounted is not None:
            inner = _matching(mounted, "/" + found["path"], method=method)
            return template + (inner or "/{path}")
        methods = getattr(route, "methods", None)
        if not methods or method in methods:
            return template
        partial = partial or template
    return partial


def _flat(routes: Iterable[Any]) -> Iterator[Any]:
    """Yield routes, those of FastAPI's included routers among them."""
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route
        else:
            yield from contexts()
