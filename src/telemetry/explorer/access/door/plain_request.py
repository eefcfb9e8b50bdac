"""Refuses requests that no browser sends, before anything else looks at them."""

from __future__ import annotations

from starlette.types import Scope

from telemetry.explorer.access.door.origins import Origins
from telemetry.explorer.access.own_path import is_plain_path
from telemetry.explorer.access.refused import FORBIDDEN, Refused

METHODS = ("GET", "HEAD", "POST")
HEALTH = "/healthz"
"""Path that answers under every name: what watches the process asks its address, and learns nothing else."""
_MAX_PATH = 8_192
_MAX_QUERY = 24 * 1024
_OTHER_SITE = (
    "This was sent by a page of another site, or by a page that is too old. Load the page again and repeat it."
)


def require_plain(scope: Scope, origins: Origins) -> None:
    """Check the method, the host and the path of a request.

    Raises:
        Refused: One of them is not what a browser sends to the explorer.
    """
    if scope["method"] not in METHODS:
        raise Refused(405, "bad_method", "The explorer knows GET, HEAD and POST.")
    hosts = [value.decode("latin-1") for key, value in scope["headers"] if key == b"host"]
    if scope["path"] != HEALTH and (len(hosts) != 1 or not origins.has_host(hosts[0])):
        raise Refused(
            421, "other_host", "The explorer does not answer under this name. Use the address that you were given."
        )
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = raw.partition(b"?")[0]
    if len(path) > _MAX_PATH or len(scope.get("query_string", b"")) > _MAX_QUERY:
        raise Refused(414, "long_url", "The address is longer than the explorer reads. Search for less at once.")
    if not path.isascii() or not is_plain_path(path.decode("ascii", "replace")):
        raise Refused(400, "odd_path", "There is no such page: its address has parts that no page of the explorer has.")
    names = {key for key, _ in scope["headers"]}
    if b"transfer-encoding" in names and b"content-length" in names:
        raise Refused(400, "two_lengths", "The request says twice how long it is.")


def require_own_page(scope: Scope, origins: Origins) -> None:
    """Check that a form was sent by a page of the explorer itself.

    Browsers say it in ``Origin``, and in ``Sec-Fetch-Site`` where the connection is safe; no page can forge either.

    Raises:
        Refused: It was sent by another site's page, or nothing says by which.
    """
    sent = {key: value.decode("latin-1") for key, value in scope["headers"] if key in (b"origin", b"sec-fetch-site")}
    origin, relation = sent.get(b"origin", "null"), sent.get(b"sec-fetch-site", "")
    is_own = relation == "same-origin" if origin == "null" else origins.has_origin(origin)
    if not is_own or relation not in ("", "same-origin"):
        raise Refused(FORBIDDEN, "other_site", _OTHER_SITE)
