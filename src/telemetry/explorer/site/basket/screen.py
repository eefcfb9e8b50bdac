"""Shows the evidence basket, and fills and empties it."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from telemetry.evidence import MAX_EVENTS
from telemetry.exceptions import ConfigurationError
from telemetry.explorer.access.right import Right
from telemetry.explorer.access.route import require
from telemetry.explorer.access.visit import form_of, session_of
from telemetry.explorer.jobs.pack import PackWork
from telemetry.explorer.site.answering.downloads import download
from telemetry.explorer.site.answering.problem_text import problem_text
from telemetry.explorer.site.answering.rows import ShownRow, shown_rows
from telemetry.explorer.site.asked.command_line import quoted
from telemetry.explorer.site.asked.recorded import record_search
from telemetry.explorer.site.asked.sent import read_sent
from telemetry.explorer.site.basket.filling import add_found, add_named, draw_sample
from telemetry.explorer.site.site import Site
from telemetry.pages.addresses import own_url

PAGE_ROWS = 100
_BAD, _SEE_OTHER = 400, 303
_SAID = {
    "added": "{} added.",
    "drawn": "A random sample was drawn: {} added.",
    "removed": "{} removed.",
}
"""What has just happened, by the parameter that says how many events it concerned."""
_MAX_DIGITS = 5


def routes(site: Site) -> list[Route]:
    """Return the routes."""

    @require(Right.READ)
    async def show(request: Request) -> Response:
        return await basket_page(site, request)

    @require(Right.READ)
    async def ids(request: Request) -> Response:
        text = "".join(f"{event_id}\n" for event_id in site.desk.baskets.of(session_of(request)).ids)
        return download(text.encode(), name="event-ids.txt", media_type="text/plain; charset=utf-8")

    @require(Right.READ)
    async def add(request: Request) -> Response:
        change = add_named if form_of(request).all("event") else add_found
        return await _change(site, request, "added", change)

    @require(Right.READ)
    async def sample(request: Request) -> Response:
        return await _change(site, request, "drawn", draw_sample)

    @require(Right.READ)
    async def remove(request: Request) -> Response:
        form, basket = form_of(request), site.desk.baskets.of(session_of(request))
        if form.get("take-all"):
            removed = len(basket)
            basket.empty()
        else:
            removed = basket.remove(form.all("event"))
        return RedirectResponse(own_url("/basket", removed=removed), _SEE_OTHER)

    return [
        Route("/basket", show, methods=["GET"]),
        Route("/basket/ids.txt", ids, methods=["GET"]),
        Route("/basket/add", add, methods=["POST"]),
        Route("/basket/sample", sample, methods=["POST"]),
        Route("/basket/remove", remove, methods=["POST"]),
    ]


async def _change(site: Site, request: Request, what: str, change: Callable[[Site, Request], int]) -> Response:
    session = session_of(request)
    try:
        if change is not add_named:
            # Before anything is told: how many events are added is what the search finds.
            await record_search(site, session, read_sent(form_of(request), is_open=session.is_open))
        events = await site.turns.run(session, change, site, request)
    except ConfigurationError as exc:
        return await basket_page(site, request, problem=problem_text(exc))
    return RedirectResponse(own_url("/basket", **{what: events}), _SEE_OTHER)


async def basket_page(site: Site, request: Request, *, problem: str = "") -> Response:
    """Return the page of the visitor's basket.

    Args:
        site: What the screens share.
        request: What is answered.
        problem: Why something could not be done; empty if nothing failed.
    """
    session = session_of(request)
    # Asked once: the session may be opened while this waits, and then nothing would have recorded the look.
    is_open = session.is_open
    basket = site.desk.baskets.of(session)
    start = 0 if problem else _start(request)
    shown = basket.ids[start : start + PAGE_ROWS]
    if is_open and shown:
        # Anyone can put any id into the basket, so that what the page tells about it is a look of its own.
        await site.looks.searched(session, {"basket": list(shown)}, len(shown))
    rows = await site.turns.run(session, _rows, site, shown, with_content=is_open)
    last = start + PAGE_ROWS
    return site.pages.page(
        request,
        "basket.html",
        status=_BAD if problem else 200,
        said="" if problem else _what_happened(request),
        problem=problem,
        total=len(basket),
        most=MAX_EVENTS,
        missing=site.desk.missing_for_packs,
        choices=basket.choices,
        packs=[job for job in site.desk.book.shown_to(session) if isinstance(job.work, PackWork)],
        rows=list(zip(shown, rows, strict=True)),
        start=start,
        next=own_url("/basket", start=last) if last < len(basket) else None,
        command=_command(site),
    )


def _rows(site: Site, ids: tuple[str, ...], *, with_content: bool) -> list[ShownRow | None]:
    """Return the row of each event, of several the one that is proven; None where none is in memory."""
    rows: list[ShownRow | None] = []
    for event_id in ids:
        found = site.index.event(event_id, with_content=with_content, most=1)
        rows.append(shown_rows(found)[0] if found else None)
    return rows


def _start(request: Request) -> int:
    return _count(request, "start") // PAGE_ROWS * PAGE_ROWS


def _count(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else 0


def _what_happened(request: Request) -> str:
    for name, sentence in _SAID.items():
        if name in request.query_params:
            count = _count(request, name)
            if not count:
                return (
                    "Nothing changed: they were in the basket already." if name != "removed" else "Nothing was removed."
                )
            return sentence.format(f"{count:,} event{'' if count == 1 else 's'}")
    return ""


def _command(site: Site) -> str:
    words = ["telemetry", "evidence", *site.scope.options, "--ids=event-ids.txt", "--auditor-key=auditor.key"]
    return " ".join(map(quoted, [*words, "--out=evidence.zip"]))
