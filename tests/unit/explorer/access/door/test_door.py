"""What comes through the door was sent by a browser, from a page of the explorer; each answer is sealed."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from telemetry.explorer.access.guarded import guarded_app
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.session import Session
from tests.support.access_site import ORIGIN, Site, TestPages, local_site

HOST = (b"host", b"127.0.0.1:43121")


async def raw(
    site: Site,
    path: bytes = b"/",
    *,
    method: str = "GET",
    headers: list[tuple[bytes, bytes]] | None = None,
    body: list[bytes] | None = None,
    query: bytes = b"",
) -> tuple[int, dict[str, str], bytes]:
    """Send a request as no HTTP client would write it."""
    pieces = list(body or [b""])

    async def receive() -> dict[str, Any]:
        piece = pieces.pop(0) if pieces else b""
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [HOST] if headers is None else headers,
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 43121),
        "state": {},
    }
    await site.app(scope, receive, send)
    fields = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], fields, b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1:43121.evil.example",
        "evil@127.0.0.1:43121",
        "",
        "[",
        "localhost:1",
        "127.0.0.1:43121?",
        "127.0.0.1:43121#",
        "127.0.0.1:43121/",
    ],
)
async def test_other_host_gets_no_page(host: str) -> None:
    async with local_site() as site:
        status, _, body = await raw(site, headers=[(b"host", host.encode())])
        assert status == 421
        assert b"<" not in body


async def test_health_is_told_under_every_name() -> None:
    async with local_site() as site:
        assert (await raw(site, b"/healthz", headers=[(b"host", b"10.0.0.7:8443")]))[2] == b"ok"


@pytest.mark.parametrize("hosts", [[], [HOST, HOST], [HOST, (b"host", b"evil.example")]])
async def test_unclear_host_is_refused(hosts: list[tuple[bytes, bytes]]) -> None:
    async with local_site() as site:
        assert (await raw(site, headers=hosts))[0] == 421


@pytest.mark.parametrize("host", ["127.0.0.1:43121", "localhost:43121", "[::1]:43121", "LOCALHOST:43121"])
async def test_own_hosts_are_answered(host: str) -> None:
    async with local_site() as site:
        assert (await raw(site, b"/sign-in", headers=[(b"host", host.encode())]))[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        b"//healthz",
        b"/x/../healthz",
        b"/%2e%2e/healthz",
        b"/./healthz",
        b"/%2E/healthz",
        b"/x/..%2fhealthz",
        b"/a%5cb",
        b"/a%00",
        b"/a%0d%0ab",
        b"/%ff",
        b"/a//b",
        b"x",
        b"/\xff",
    ],
)
async def test_path_with_two_meanings_is_refused(path: bytes) -> None:
    async with local_site() as site:
        status, headers, _ = await raw(site, path)
        assert status == 400
        assert "location" not in headers


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "TRACE", "CONNECT", "PATCH", "BREW"])
async def test_unknown_method_is_refused(method: str) -> None:
    async with local_site() as site:
        status, headers, _ = await raw(site, method=method)
        assert (status, headers["allow"]) == (405, "GET, HEAD, POST")
        assert not any(name.startswith("access-control") for name in headers)


async def test_huge_address_is_refused() -> None:
    async with local_site() as site:
        assert (await raw(site, b"/" + b"a" * 10_000))[0] == 414
        assert (await raw(site, query=b"q=" + b"a" * (10 << 20)))[0] == 414


async def test_every_answer_is_sealed() -> None:
    async with local_site() as site:
        answers = [
            await raw(site, b"/healthz"),
            await raw(site, b"/nothing"),
            await raw(site, headers=[]),
            await raw(site, method="PUT"),
            await raw(site, b"/sign-in"),
            await raw(site, b"/enter/x"),
        ]
    for _, headers, _ in answers:
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["referrer-policy"] == "same-origin"
        assert "strict-transport-security" not in headers


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example", "sec_fetch_site": "cross-site"},
        {"origin": "https://evil.example", "sec_fetch_site": ""},
        {"origin": "null", "sec_fetch_site": "cross-site"},
        {"origin": "null", "sec_fetch_site": ""},
        {"origin": "", "sec_fetch_site": ""},
        {"origin": "http://127.0.0.1:43122", "sec_fetch_site": "same-site"},
        {"origin": ORIGIN, "sec_fetch_site": "cross-site"},
        {"origin": f"{ORIGIN}.evil.example", "sec_fetch_site": ""},
    ],
)
async def test_form_of_another_site_is_refused(headers: dict[str, str]) -> None:
    async with local_site() as site:
        browser = site.browser()
        await browser.enter(site)
        assert (await browser.post("/change", {"value": "1"}, **headers)).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"origin": "null"}, {"origin": ""}, {"sec_fetch_site": ""}])
async def test_form_of_an_own_page_is_taken(headers: dict[str, str]) -> None:
    async with local_site() as site:
        browser = site.browser()
        await browser.enter(site)
        assert (await browser.post("/change", {"value": "1"}, **headers)).text == "changed 1"


async def test_form_without_the_sessions_token_is_refused() -> None:
    async with local_site() as site:
        one, other = site.browser(), site.browser()
        await one.enter(site)
        await other.enter(site)
        for token in ("", "x", "\u00e9", await other.csrf()):
            answer = await one.post("/change", {"value": "1"}, token=token)
            assert answer.status_code == 403
            assert "changed" not in answer.text


async def test_body_that_is_no_form_is_refused() -> None:
    own = [HOST, (b"origin", ORIGIN.encode())]
    form = (b"content-type", b"application/x-www-form-urlencoded")
    async with local_site() as site:
        for headers, body, status in (
            ([(b"content-type", b"multipart/form-data; boundary=x")], [b"--x"], 415),
            ([(b"content-type", b"application/json")], [b"{}"], 415),
            ([], [b"a=1"], 415),
            ([form], [b"a" * 600_000, b"a" * 600_000], 413),
            ([form], [b"&".join(b"a=1" for _ in range(3_000))], 400),
            ([form], [b"a=%ff"], 400),
            ([form], [b"a=\xff"], 400),
            ([form], [b"a=%00"], 400),
            ([form, (b"content-length", b"3"), (b"transfer-encoding", b"chunked")], [b"a=1"], 400),
        ):
            assert (await raw(site, b"/change", method="POST", headers=[*own, *headers], body=body))[0] == status


async def test_defect_of_a_page_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with local_site() as site:
        browser = site.browser()
        await browser.enter(site)
        with caplog.at_level(logging.DEBUG, logger="telemetry"):
            answer = await browser.get("/fail")
    assert answer.status_code == 500
    assert "secret" not in answer.text + caplog.text
    assert "a page failed: ValueError at access_site.py:" in caplog.text


async def test_reader_asks_for_an_export() -> None:
    async with local_site(Right.READ) as site:
        browser = site.browser()
        await browser.enter(site)
        answer = await browser.post("/export", {})
        assert answer.status_code == 403
        assert "exporter" in answer.text


async def test_sealed_viewer_gets_no_content() -> None:
    async with local_site(Right.SEALED) as site:
        browser = site.browser()
        await browser.enter(site)
        assert (await browser.get("/content?user=ada")).status_code == 403
        assert (await browser.post("/content", {})).status_code == 403
        assert (await browser.post("/reason", {"reason": "curious"})).status_code == 403
        assert (await browser.get("/")).text.split()[2] == "False"


async def test_content_needs_a_reason_and_a_new_cookie() -> None:
    async with local_site(Right.READ) as site:
        browser = site.browser()
        await browser.enter(site)
        asked = await browser.get("/content?user=7")
        assert (asked.status_code, asked.headers["location"]) == (303, "/reason?next=%2Fcontent%3Fuser%3D7")
        assert (await browser.post("/content", {})).status_code == 403

        before = dict(browser.client.cookies)
        assert (await browser.post("/reason", {"reason": " ticket\n4711 "})).text == "given"
        assert (await browser.get("/content")).text == "the content"
        assert dict(browser.client.cookies) != before
        old = site.browser(cookies=before)
        assert (await old.get("/")).status_code == 303


async def test_two_cookies_of_one_name_are_none() -> None:
    async with local_site() as site:
        browser = site.browser()
        await browser.enter(site)
        ((name, token),) = dict(browser.client.cookies).items()
        for cookies in (f"{name}=x; {name}={token}", f"{name}={token}; {name}={token}", f"{name}=" + "a" * 20_000):
            status, _, _ = await raw(site, headers=[HOST, (b"cookie", cookies.encode())])
            assert status == 303
        assert (await raw(site, headers=[HOST, (b"cookie", f"a=1; {name}={token}".encode())]))[0] == 200


async def test_attempts_of_one_address_are_bounded() -> None:
    async with local_site() as site:
        answers = [
            (await site.browser().post("/enter", {"link": f"guess-{number}"})).status_code for number in range(30)
        ]
    assert answers == [403] * 20 + [429] * 10


async def test_session_follows_its_address() -> None:
    async with local_site() as site:
        browser = site.browser()
        await browser.enter(site)
        ((name, token),) = dict(browser.client.cookies).items()
        thief = site.browser(client=("127.0.0.9", 4), cookies={name: token})
        assert (await thief.get("/")).status_code == 200
        session = site.access.sessions.find(token)
        assert session is not None
        assert session.address == "127.0.0.9"


async def test_route_without_a_declaration_stops_the_start() -> None:
    async def forgotten(request: Request) -> Response:
        return PlainTextResponse("all")

    async with local_site() as site:
        for route in (Route("/all", forgotten), Mount("/all", site.app)):
            with pytest.raises(TypeError, match="does not declare"):
                guarded_app(site.access, [route], TestPages())  # type: ignore[list-item]


@pytest.mark.parametrize(("user", "uses"), [(None, False), ("?1", True)])
async def test_page_that_loads_itself_is_no_use(user: str | None, uses: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    async with local_site() as site:
        find = site.access.sessions.find

        def noted(token: str, *, is_use: bool = True) -> Session | None:
            seen.append(is_use)
            return find(token, is_use=is_use)

        monkeypatch.setattr(site.access.sessions, "find", noted)
        sent = [HOST, (b"sec-fetch-mode", b"navigate")] + ([(b"sec-fetch-user", user.encode())] if user else [])
        await raw(site, headers=sent)

    assert seen == [uses]
